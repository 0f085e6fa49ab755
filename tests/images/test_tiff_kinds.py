"""TIFFs of every kind of colours, bits and compression, as libtiff reads them."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from normscope import stats
from normscope.errors import NormscopeError
from normscope.images import tiff_windows
from normscope.images.decode import decode, decode_for_networks
from normscope.images.pixels import UnreadableImage
from tests.images.exactness import exact

RANDOM = np.random.default_rng(0)
BYTES = RANDOM.integers(0, 256, (40, 50), np.uint8)
RGB = (np.add.outer(np.arange(40), np.arange(50))[..., None] * [1, 2, 0] + 20).astype(np.uint8)
PALETTE = np.stack([np.arange(256), 255 - np.arange(256), np.arange(256) // 3]).astype("u2") * 257


def _nodata(value):
    return [(42113, "s", 0, str(value), True)]


def _either_way(path, monkeypatch):
    """The statistics of the file at once, and read by window."""
    yield stats(path)
    monkeypatch.setattr(tiff_windows, "WHOLE_BYTES", 0)
    yield stats(path)


def _packed(path, pixels, bits, **options):
    """So many bits a pixel, of which tifffile writes those beside 8 only where they are 9 to 31."""
    options = {"photometric": "minisblack", **options}
    if bits in {1, *range(8, 32)}:
        stored = pixels.astype(bool) if bits == 1 else pixels
        tifffile.imwrite(path, stored, bitspersample=bits, **options)
        return
    each = np.unpackbits(pixels[..., None], axis=-1)[..., 8 - bits :]
    bytes_ = np.packbits(each.reshape(len(pixels), -1), axis=-1)
    tifffile.imwrite(path, bytes_, metadata=None, **options)
    with tifffile.TiffFile(path, mode="r+b") as file:
        tags = file.pages.first.tags
        tags["ImageWidth"].overwrite(pixels.shape[1])
        tags["BitsPerSample"].overwrite(bits)


@pytest.mark.parametrize("bits", [3, 6, 10, 12, 14])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_white_is_the_largest_value_of_so_many_bits(tmp_path, monkeypatch, bits, photometric):
    path, dtype = tmp_path / "a.tif", "u1" if bits <= 8 else "u2"
    pixels = RANDOM.integers(0, 2**bits, (40, 48)).astype(dtype)
    _packed(path, pixels, bits, photometric=photometric, rowsperstrip=16)
    shown = pixels if photometric == "minisblack" else 2**bits - 1 - pixels
    for found in _either_way(path, monkeypatch):
        assert found.scale == 2**bits - 1
        exact(found, shown[None], 0)
    np.testing.assert_array_equal(decode_for_networks(path.read_bytes()).values[0, 0], shown)


@pytest.mark.parametrize(
    ("bits", "options", "shown"),
    [
        (8, {"photometric": "miniswhite"}, lambda pixels: 255 - pixels),
        (8, {"photometric": "palette", "colormap": PALETTE}, lambda k: PALETTE[:, k] // 257),
        (4, {}, lambda pixels: pixels * 17),
        (2, {}, lambda pixels: pixels * 85),
        (1, {}, lambda pixels: pixels * 255),
    ],
)  # fmt: skip
def test_nodata_is_a_stored_value(tmp_path, monkeypatch, bits, options, shown):
    path, pixels = tmp_path / "a.tif", BYTES[:, :48] >> (8 - bits)
    nodata = 2**bits // 3
    _packed(path, pixels, bits, extratags=_nodata(nodata), **options)
    values = shown(pixels)[..., pixels != nodata].reshape(-1, np.sum(pixels != nodata))
    for found in _either_way(path, monkeypatch):
        exact(found, values, 0)


@pytest.mark.parametrize("value", [2**64 - 1, 2**63 + 1])
def test_nodata_of_64_bits_is_no_float(tmp_path, value):
    path, pixels = tmp_path / "a.tif", np.array([[value, value - 1, 5]], np.uint64)
    tifffile.imwrite(path, pixels, extratags=_nodata(value))
    assert stats(path, scale=1).mean.value == ((value - 1 + 5) / 2,)


def test_every_page_of_palettes_counts_and_so_do_palettes_of_16_bits(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    pages = np.stack([BYTES, BYTES // 2, BYTES // 3])
    tifffile.imwrite(path, pages, photometric="palette", colormap=PALETTE)
    for found in _either_way(path, monkeypatch):
        exact(found, PALETTE[:, pages] // 257, 0)
        assert found.notes[0] == "1 image with several pages of one kind: all of them count."
        assert not any("frames" in note for note in found.notes)
    wide = np.arange(65536, dtype="u2") * np.ones((3, 1), "u2")
    wide[1] = wide[1, ::-1]
    pixels = RANDOM.integers(0, 65536, (40, 50), np.uint16)
    tifffile.imwrite(path, pixels, photometric="palette", colormap=wide)
    exact(stats(path), wide[:, pixels] // 256, 0)
    np.testing.assert_array_equal(
        decode_for_networks(path.read_bytes()).values[0], wide[:, pixels] // 256
    )


@pytest.mark.parametrize("compression", [None, "lzw", "zlib"])
def test_ycbcr_becomes_rgb(tmp_path, monkeypatch, compression):
    path, stored = tmp_path / "a.tif", Image.fromarray(RGB).convert("YCbCr")
    tifffile.imwrite(
        path, np.asarray(stored), photometric="ycbcr", compression=compression, tile=(16, 16)
    )
    for found in _either_way(path, monkeypatch):
        exact(found, np.asarray(stored.convert("RGB")), 2)
        assert np.abs(np.array(found.mean.value) * 255 - RGB.mean((0, 1))).max() < 2


@pytest.mark.parametrize(("mode", "photometric"), [("CMYK", "separated"), ("LAB", "cielab")])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_other_colours_become_rgb_as_in_pillow(tmp_path, mode, photometric, dtype):
    path = tmp_path / "a.tif"
    stored = RANDOM.integers(0, 256, (40, 50, 4 if mode == "CMYK" else 3)).astype(np.uint8)
    wide = stored if dtype == "u1" else stored.astype("u2") * 256 + 77
    tifffile.imwrite(path, wide, photometric=photometric)
    image = Image.frombytes(mode, (50, 40), stored.tobytes()).convert("RGB")
    found = stats(path)
    exact(found, np.asarray(image), 2)
    assert found.dtype == "uint8"
    assert (
        f"1 image in {mode}, turned into RGB as Pillow does, without a colour profile."
        in found.notes
    )


def test_jpegs_of_cmyk_are_said_to_be_turned_too(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(RGB).convert("CMYK").save(path)
    assert stats(path).notes[0] == (
        "1 image in CMYK, turned into RGB as Pillow does, without a colour profile."
    )


def _jpegs_without_markers(path, planar):
    """As libtiff writes JPEG: without JFIF's or Adobe's marker, so that nothing tells colours."""
    import imagecodecs

    def encoded(pixels):
        data = imagecodecs.jpeg_encode(pixels, level=100, colorspace="rgb", outcolorspace="rgb") \
            if pixels.ndim == 3 else imagecodecs.jpeg_encode(pixels, level=100)  # fmt: skip
        kept, at = data[:2], 2
        while data[at + 1] != 0xDA:
            length = 2 + int.from_bytes(data[at + 2 : at + 4])
            kept += b"" if data[at + 1] in {0xE0, 0xEE} else data[at : at + length]
            at += length
        return kept + data[at:]

    parts = [encoded(RGB[..., k].copy()) for k in range(3)] if planar else [encoded(RGB)]
    options = {"photometric": "rgb", "planarconfig": "separate"} if planar else {
        "photometric": "minisblack", "planarconfig": "contig"}  # fmt: skip
    shape = (3, 40, 50) if planar else RGB.shape
    tifffile.imwrite(path, iter(parts), shape=shape, dtype="u1", compression="jpeg",
                     rowsperstrip=40, metadata=None, **options)  # fmt: skip


@pytest.mark.parametrize("planar", [False, True])
def test_the_header_says_which_colours_a_jpeg_holds(tmp_path, monkeypatch, planar):
    path = tmp_path / "a.tif"
    _jpegs_without_markers(path, planar)
    for found in _either_way(path, monkeypatch):
        np.testing.assert_allclose(np.array(found.mean.value) * 255, RGB.mean((0, 1)), atol=0.5)
    np.testing.assert_allclose(
        decode_for_networks(path.read_bytes()).values[0].mean((1, 2)), RGB.mean((0, 1)), atol=0.5
    )


@pytest.mark.parametrize("compression", ["jpeg", "ccitt_t4", "lzw"])
def test_a_strip_that_is_cut_is_not_filled_up(tmp_path, compression):
    file = io.BytesIO()
    if compression == "ccitt_t4":
        Image.fromarray(BYTES > 99).save(file, "TIFF", compression="group4")
    else:
        tifffile.imwrite(file, RGB, photometric="rgb", compression=compression, rowsperstrip=16)
    data = file.getvalue()
    with tifffile.TiffFile(io.BytesIO(data)) as opened:
        page = opened.pages.first
        end = max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=True)))
    for cut in (1, 9, 40):
        with pytest.raises(UnreadableImage):
            decode(data[: end - cut])


@pytest.mark.parametrize("bands", [2, 4, 5])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_networks_are_shown_every_band(bands, planar, compression):
    pixels = RANDOM.integers(0, 256, (bands, 40, 50), np.uint8)
    file = io.BytesIO()
    stored = pixels if planar == "separate" else np.moveaxis(pixels, 0, -1).copy()
    tifffile.imwrite(file, stored, photometric="minisblack", planarconfig=planar,
                     compression=compression, extrasamples=[0] * (bands - 1))  # fmt: skip
    np.testing.assert_array_equal(decode_for_networks(file.getvalue()).values[0], pixels)


def test_networks_are_shown_four_bands_of_which_none_is_alpha():
    pixels, file = RANDOM.integers(0, 256, (40, 50, 4), np.uint8), io.BytesIO()
    tifffile.imwrite(file, pixels, photometric="rgb", extrasamples=[0])
    shown = decode_for_networks(file.getvalue())
    np.testing.assert_array_equal(shown.values[0], pixels.transpose(2, 0, 1))


def test_networks_are_shown_negative_bytes_and_what_pillow_cannot_unpack():
    pixels, file = BYTES.astype(np.int8), io.BytesIO()
    tifffile.imwrite(file, pixels)
    np.testing.assert_array_equal(decode_for_networks(file.getvalue()).values[0, 0], pixels)
    file = io.BytesIO()
    tifffile.imwrite(file, RGB, photometric="rgb", compression="zstd", tile=(16, 16))
    np.testing.assert_array_equal(
        decode_for_networks(file.getvalue()).values[0], RGB.transpose(2, 0, 1)
    )


def test_a_missing_palette_is_said(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, BYTES)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        at = file.pages.first.tags["PhotometricInterpretation"].valueoffset
    data[at] = 3
    path.write_bytes(data)
    with pytest.raises(NormscopeError, match="a TIFF whose palette is missing"):
        stats(path)


@pytest.mark.parametrize("where", ["behind", "in front", "around", "alone"])
def test_a_smaller_copy_is_no_image_beside_the_larger(tmp_path, monkeypatch, where):
    path, copy = tmp_path / "a.tif", RGB[::2, ::2].copy()
    reduced = {"photometric": "rgb", "subfiletype": 1, "metadata": None}
    with tifffile.TiffWriter(path) as file:
        if where != "behind":
            # As DNG has it, the larger one lies around.
            file.write(copy, subifds=1 if where == "around" else 0, **reduced)
        if where != "alone":
            file.write(RGB, photometric="rgb", metadata=None)
        if where == "behind":
            file.write(copy, **reduced)
    read = copy if where == "alone" else RGB
    smaller = "1 image that is a smaller copy, by its header, of a larger one that is not there."
    for found in _either_way(path, monkeypatch):
        exact(found, read, 2)
        assert (smaller in found.notes) == (where == "alone")
    shown = decode_for_networks(path.read_bytes()).values[0]
    np.testing.assert_array_equal(shown, read.transpose(2, 0, 1))


def test_pages_of_another_size_do_not_count(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for page in (BYTES, BYTES[:9].copy(), BYTES // 3):
            file.write(page, metadata=None)
    found = stats(path)
    exact(found, np.stack([BYTES, BYTES // 3])[None], 0)
    assert found.notes[:2] == (
        "1 image with parts of other sizes or types, such as overviews: these do not count.",
        "1 image with several pages of one kind: all of them count.",
    )
