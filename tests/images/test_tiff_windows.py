"""TIFFs read by window have the statistics of the whole, and need little memory."""

import struct
import subprocess
import sys
import tarfile

import numpy as np
import pytest
import tifffile

from normscope.errors import NormscopeError
from normscope.images import tiff_windows
from normscope.images.encoded import EncodedImage
from normscope.images.tiff import decode_tiff
from normscope.images.windows import Windows
from normscope.statistics.stats import stats

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (70, 90, 3), np.uint8)
BANDS = RNG.integers(0, 60_000, (5, 70, 90), np.uint16)
FLOATS = RNG.random((70, 90), np.float32)
TILES = {"tile": (32, 48)}
KINDS = {
    "tiles": (COLOUR, {"photometric": "rgb", **TILES}),
    "compressed-tiles": (COLOUR, {"photometric": "rgb", "compression": "zlib", **TILES}),
    "jpeg": (COLOUR, {"photometric": "ycbcr", "compression": "jpeg", **TILES}),
    "rows": (COLOUR, {"photometric": "rgb"}),
    "big-endian": (BANDS[0], {"byteorder": ">"}),
    "bigtiff": (COLOUR, {"photometric": "rgb", "bigtiff": True, "rowsperstrip": 7}),
    "strips": (FLOATS, {"compression": "zlib", "predictor": True, "rowsperstrip": 9}),
    "planes": (BANDS, {"photometric": "minisblack", "planarconfig": "separate"}),
    "planes-of-tiles": (BANDS, {"photometric": "minisblack", "planarconfig": "separate",
                                "compression": "zlib", **TILES}),
    "pages": (BANDS, {"photometric": "minisblack", **TILES}),
    "channels-in-pages": (BANDS, {"photometric": "minisblack", "metadata": {"axes": "CYX"},
                                  "ome": True, "compression": "zlib", **TILES}),
    "times": (BANDS, {"photometric": "minisblack", "metadata": {"axes": "TYX"}, "ome": True}),
    "white-is-zero": (BANDS[0], {"photometric": "miniswhite", **TILES}),
    "signed": (BANDS[0].astype(np.int16), {**TILES}),
    "alpha": (np.dstack([COLOUR, COLOUR[..., :1] // 200]),
              {"photometric": "rgb", "extrasamples": ["assocalpha"], **TILES}),
    "nodata": (FLOATS.round(1), {"extratags": [(42113, "s", 0, "0.5", True)], **TILES}),
}  # fmt: skip


@pytest.fixture
def small_windows(monkeypatch):
    monkeypatch.setattr(tiff_windows, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(tiff_windows, "WINDOW_BYTES", 2000)


def written(folder, kind):
    pixels, options = KINDS[kind]
    tifffile.imwrite(folder / "image.tif", pixels, **options)
    return folder / "image.tif"


@pytest.mark.parametrize("kind", KINDS)
def test_windows_have_every_pixel_of_the_whole_once(tmp_path, small_windows, kind):
    path = written(tmp_path, kind)
    found = tiff_windows.read_tiff(EncodedImage(str(path)))
    assert isinstance(found, Windows)
    windows = list(found.parts())
    assert len(windows) > 1
    whole = decode_tiff(path.read_bytes())
    assert found.whole().values.tobytes() == whole.values.tobytes()
    for channel in range(whole.values.shape[1]):
        parts = np.concatenate([w.values[0, channel].ravel() for w in windows])
        np.testing.assert_array_equal(np.sort(parts), np.sort(whole.values[0, channel].ravel()))
    counted = [w.values.size if w.valid is None else w.valid.sum() for w in windows]
    assert sum(counted) == (whole.values.size if whole.valid is None else whole.valid.sum())
    assert {n for w in windows for n in w.noticed} == set(whole.noticed)


@pytest.mark.parametrize("kind", KINDS)
def test_statistics_are_the_same_to_the_last_bit(tmp_path, monkeypatch, kind):
    written(tmp_path, kind)
    pixels, options = KINDS[kind]
    tifffile.imwrite(tmp_path / "other.tif", pixels[..., ::-1] // 2 if pixels.dtype.kind in "iu"
                     and kind not in {"alpha", "jpeg"} else pixels, **options)  # fmt: skip
    expected = stats(tmp_path, batch_size=1)
    monkeypatch.setattr(tiff_windows, "WHOLE_BYTES", 1000)
    found = stats(tmp_path, batch_size=1)
    assert found.to_json() == expected.to_json()
    assert found.images == 2


def test_inside_an_archive(tmp_path, small_windows):
    path = written(tmp_path, "compressed-tiles")
    with tarfile.open(tmp_path / "all.tar", "w") as tar:
        tar.add(path, "a.tif")
        tar.add(path, "b.tif")
    found, expected = stats(tmp_path / "all.tar"), stats(path)
    assert (found.images, found.mean.value) == (2, expected.mean.value)


def test_what_was_never_written_holds_nothing(tmp_path, small_windows):
    path = tmp_path / "sparse.tif"
    tags = [(42113, "s", 0, "7", True)]
    tiles = iter([np.ones((32, 32), np.uint8), None, None, np.full((32, 32), 3, np.uint8)])
    tifffile.imwrite(path, tiles, shape=(64, 64), dtype=np.uint8, tile=(32, 32), extratags=tags,
                     compression="zlib")  # fmt: skip
    found = stats(path)
    assert found.counted == (2 * 32 * 32,)
    assert found.mean.value[0] == 2 / 255
    assert any("nodata value that the header names, 7" in note for note in found.notes)


def test_resized_it_is_read_whole_or_refused(tmp_path, small_windows, monkeypatch):
    path = written(tmp_path, "tiles")
    assert stats(path, resize=20).pixels == 20 * 25
    monkeypatch.setattr(tiff_windows, "MAX_BYTES", 10_000)
    assert stats(path).pixels == 70 * 90
    with pytest.raises(NormscopeError) as error:
        stats(path, crop=20)
    assert str(error.value) == (
        f"{path} must hold at least one readable image, got 1 that cannot be read, the first "
        f"{path}: 18900 bytes of pixels is too large to be held at once, which resize and crop "
        "need: leave them out. Check the source."
    )


def test_parts_that_can_only_be_unpacked_whole(tmp_path, small_windows, monkeypatch):
    path = tmp_path / "one.tif"
    tifffile.imwrite(path, COLOUR, photometric="rgb", compression="zlib", rowsperstrip=70)
    monkeypatch.setattr(tiff_windows, "LARGEST_WINDOW_BYTES", 10_000)
    assert stats(path).mean.value == pytest.approx(COLOUR.mean((0, 1)) / 255)
    monkeypatch.setattr(tiff_windows, "MAX_BYTES", 10_000)
    with pytest.raises(NormscopeError) as error:
        stats(path)
    assert "18900 bytes of pixels is too large: it is compressed in parts of 18900 bytes" in str(
        error.value
    )


def test_a_cut_file_is_skipped(tmp_path, small_windows):
    path = written(tmp_path, "compressed-tiles")
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(
        NormscopeError, match="a TIFF that is cut: some of its pixels lie behind its end"
    ):
        stats(path)


MEASURE = """
import resource, sys
from normscope.statistics.stats import stats
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = stats(sys.argv[1], workers=1)
print(found.pixels, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_memory_stays_small(tmp_path):
    """Of 420 MB of pixels, compressed to little; at once it took three times as much."""
    path = tmp_path / "large.tif"
    tile = np.arange(1024 * 1024, dtype=np.uint8).reshape(1024, 1024)
    tiles, side = (tile for _ in range(20 * 20)), 20 * 1024
    tifffile.imwrite(path, tiles, shape=(side, side), dtype=np.uint8, tile=(1024, 1024),
                     compression="zstd", bigtiff=True)  # fmt: skip
    found = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True
    )
    pixels, megabytes = map(int, found.stdout.split())
    assert pixels == (20 * 1024) ** 2
    assert megabytes < 200


@pytest.mark.parametrize("pages", [1, 3, 150])
@pytest.mark.parametrize("big", [False, True])
def test_pages_that_lead_back_are_refused(tmp_path, pages, big):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, bigtiff=big) as file:
        for _ in range(pages):
            file.write(np.zeros((2, 3), np.uint8), metadata=None)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        first, last = (file.pages[k].offset for k in (0, -1))
        kind = file.tiff
    (tags,) = struct.unpack_from(kind.tagnoformat, data, last)
    struct.pack_into(kind.offsetformat, data, last + kind.tagnosize + tags * kind.tagsize, first)
    path.write_bytes(data)
    with pytest.raises(NormscopeError) as error:
        stats(path)
    assert str(error.value) == (
        f"{path} must hold at least one readable image, got 1 that cannot be read, the first "
        f"{path}: its page {pages} leads back to an earlier one. Check the source."
    )
