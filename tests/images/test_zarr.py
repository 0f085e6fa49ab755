"""Zarr folders that zarr writes, and OME-Zarr's metadata, against NumPy."""

from __future__ import annotations

import json
import pickle
import shutil

import numpy as np
import pytest
import zarr

from normscope import stats
from normscope.images.containers import zarr_folder
from normscope.images.containers.whole_chunks import WholeChunks
from normscope.images.stream import open_stream
from tests.images.damaged import refusal
from tests.images.exactness import exact

RANDOM = np.random.default_rng(0)
BYTES = RANDOM.integers(0, 256, (40, 3, 17, 13), dtype=np.uint8)


def _create(group, name, array, **options):
    options = {"chunks": (7, *array.shape[1:]), **options}
    data = group.create_array(name, shape=array.shape, dtype=array.dtype, **options)
    data[...] = array
    return data


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        ("u1", {}),
        (">u2", {"chunks": (3, 1, 5, 13)}),
        ("i4", {"chunks": (1, 3, 17, 13)}),
        ("f4", {"chunks": (40, 3, 4, 4), "compressors": None}),
        ("u1", {"chunks": (2, 3, 17, 13), "shards": (10, 3, 17, 13)}),
    ],
)
def test_an_array_is_exact_however_it_is_stored(tmp_path, zarr_format, dtype, options):
    if "shards" in options and zarr_format == 2:
        pytest.skip("version 2 has no shards")
    array = (BYTES / 255 if dtype == "f4" else BYTES).astype(dtype)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=zarr_format)
    _create(group, "images", array, **options)
    _create(group, "labels", np.arange(40), chunks=(40,))
    found = stats(tmp_path / "a.zarr")
    assert found.images == 40
    if dtype == "f4":
        wide = array.astype(float)
        np.testing.assert_allclose(found.mean.value, wide.mean((0, 2, 3)), rtol=1e-12)
        np.testing.assert_allclose(found.std.value, wide.std((0, 2, 3)), rtol=1e-12)
    else:
        exact(found, array, 1)
    assert stats(f"{tmp_path}/a.zarr::images").mean == found.mean


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_array_at_the_root_with_named_axes(tmp_path, zarr_format):
    array = RANDOM.integers(0, 99, (2, 9, 8, 5, 3)).astype("i2")
    data = zarr.create_array(
        tmp_path / "a.zarr", shape=array.shape, chunks=(1, 9, 8, 2, 3), dtype="i2",
        zarr_format=zarr_format,
        dimension_names=("z", "y", "x", "time", "band") if zarr_format == 3 else None,
    )  # fmt: skip
    data[...] = array
    if zarr_format == 2:
        data.attrs["_ARRAY_DIMENSIONS"] = ["z", "y", "x", "time", "band"]
    data.attrs["_FillValue"], data.attrs["add_offset"] = 7, 100
    found = stats(tmp_path / "a.zarr")
    assert (found.images, found.channels) == (10, 3)
    for band in range(3):
        values = array[..., band][array[..., band] != 7] + 100
        np.testing.assert_allclose(found.mean.value[band] * found.scale, values.mean(), rtol=1e-12)
    assert found.notes[0] == (
        "Axes z, y, x, time, band: 2 x 9 x 8 x 5 x 3 values are read as NHWNC; layout changes it."
    )


def _ome(path, version, shape=(2, 3, 4, 16, 12), names="tczyx", labels=True):
    array = RANDOM.integers(0, 4000, shape).astype("u2")
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    chunks = (*(1,) * (len(shape) - 2), 8, 8)
    for level in range(3):
        _create(group, str(level), array[..., :: 2**level, :: 2**level], chunks=chunks)
    types = {"t": "time", "c": "channel"}
    said = {
        "multiscales": [
            {
                "version": version,
                "axes": [{"name": n, "type": types.get(n, "space")} for n in names],
                "datasets": [{"path": str(level)} for level in range(3)],
            }
        ],
        "omero": {"channels": [{"label": name} for name in ("DAPI", "GFP", "Cy5")]},
    }
    group.attrs.update(said if version == "0.4" else {"ome": {"version": version, **said}})
    if labels:
        cells = group.create_group("labels/cells")
        _create(cells, "0", array[:, 0], chunks=(1, 1, 8, 8))
        axes = [axis for axis in said["multiscales"][0]["axes"] if axis["name"] != "c"]
        mask = {
            "multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}],
            "image-label": {},
        }
        cells.attrs.update(mask if version == "0.4" else {"ome": mask})
    return array


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(
    ("shape", "names", "images"),
    [((2, 3, 4, 16, 12), "tczyx", 8), ((3, 16, 12), "cyx", 1), ((5, 3, 16, 12), "zcyx", 5)],
)
def test_ome_zarr_is_its_full_resolution_with_its_channels(tmp_path, version, shape, names, images):
    path = tmp_path / "a.ome.zarr"
    array = _ome(path, version, shape, names, labels=len(shape) == 5)
    found = stats(path, scale=65535)
    assert (found.images, found.channel_names) == (images, ("DAPI", "GFP", "Cy5"))
    assert found.to_json()["channel_names"] == ["DAPI", "GFP", "Cy5"]
    exact(found, array, names.index("c"))
    assert stats(f"{path}::1").pixels == images * 8 * 6
    if len(shape) == 5:
        assert stats(f"{path}::labels/cells/0").images == 8


def test_the_fields_of_a_plate_are_images(tmp_path):
    path = tmp_path / "plate.zarr"
    zarr.open_group(path, mode="w", zarr_format=2).attrs["plate"] = {"wells": []}
    for group in ("A", "A/1"):
        zarr.open_group(path / group, mode="w", zarr_format=2)
    for field in range(2):
        _ome(path / "A" / "1" / str(field), "0.4", labels=False)
    found = stats(path)
    assert (found.images, found.channels) == (16, 3)
    assert found.notes[0] == f"All 2 arrays of {path}:: are taken, in order."
    assert stats(f"{path}::A/1/1").images == 8


def test_one_of_several_must_be_named(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    _create(group, "a", BYTES)
    _create(group, "b", BYTES)
    assert refusal(tmp_path / "a.zarr") == (
        f"{tmp_path}/a.zarr must be asked for one of its arrays, got 2 that could be images: "
        "a (40 x 3 x 17 x 13, uint8) and b (40 x 3 x 17 x 13, uint8). "
        f"Name one, as in {tmp_path}/a.zarr::a, or a group of them."
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"shape": (0, 8, 8), "chunks": (1, 8, 8), "dtype": "u1"}, "no axis empty"),
        ({"shape": (4, 8, 8), "chunks": (1, 8, 8), "dtype": "<U4"}, "got <U4. Ask for"),
        ({"shape": (4, 8, 8), "chunks": (1, 8, 8), "dtype": "c8"}, "got complex64. Ask for"),
        (
            {"shape": (10**7, 1000, 1000), "chunks": (1, 1000, 1000), "dtype": "u1"},
            "for 10000000000000 bytes of pixels. Check that the file is whole.",
        ),
        (
            {"shape": (1, 20_000, 20_000), "chunks": (1, 10, 10), "dtype": "u1"},
            "Cut them into tiles",
        ),
        (
            {"shape": (10**7, 99, 99), "chunks": (10**7, 99, 99), "dtype": "u1"},
            "must be stored in chunks of at most 1073741824 bytes, got chunks of 98010000000. "
            "Store it again in smaller ones.",
        ),
    ],
)  # fmt: skip
def test_what_is_no_image_is_said(tmp_path, options, sentence):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("x", **options)
    said = refusal(f"{tmp_path}/a.zarr::x")
    assert said.startswith(f"{tmp_path}/a.zarr::x must ")
    assert sentence in said


def test_pickle_is_refused_unread(tmp_path):
    class Trap:
        def __reduce__(self):
            return open, (str(tmp_path / "sprung"), "w")

    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    _create(group, "x", BYTES[:7], compressors=None)
    header = tmp_path / "a.zarr" / "x" / ".zarray"
    header.write_text(
        json.dumps(
            {**json.loads(header.read_text()), "compressor": {"id": "pickle", "protocol": 5}}
        )
    )
    (tmp_path / "a.zarr" / "x" / "0.0.0.0").write_bytes(pickle.dumps(Trap()))
    said = refusal(f"{tmp_path}/a.zarr::x")
    assert said.startswith(f"{tmp_path}/a.zarr must be a whole Zarr folder, got: ")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_damage_leads_to_no_other_exception(tmp_path, zarr_format):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=zarr_format)
    _create(group, "x", BYTES[:4, :, :5, :5], chunks=(2, 3, 5, 5))
    files = [p for p in sorted((tmp_path / "a.zarr").rglob("*")) if p.is_file()]
    for seed in range(60):
        random = np.random.default_rng(seed)
        path = files[seed % len(files)]
        whole = path.read_bytes()
        data = bytearray(whole)
        for at in random.integers(0, len(data), random.integers(1, 5)):
            data[at] ^= 1 << random.integers(8)
        path.write_bytes(data[: random.integers(0, len(data))] if seed % 3 == 0 else data)
        sentence = refusal(tmp_path / "a.zarr", scale=255)
        assert sentence is None or sentence.endswith("."), sentence
        path.write_bytes(whole)


def test_what_is_no_zarr_is_said(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "b.zarr").write_bytes(b"not a folder")
    for name in "ab":
        said = refusal(tmp_path / f"{name}.zarr")
        assert said.startswith(f"{tmp_path}/{name}.zarr must be a whole Zarr folder, got: ")
        assert said.endswith("Check it, or make it again.")


def test_a_damaged_chunk_costs_its_own_images_alone(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    _create(group, "x", BYTES, chunks=(10, 3, 17, 13))
    (tmp_path / "a.zarr" / "x" / "2.0.0.0").write_bytes(b"\0" * 40)
    found = stats(tmp_path / "a.zarr")
    assert (found.images, len(found.skipped)) == (30, 10)
    exact(found, np.concatenate([BYTES[:20], BYTES[30:]]), 1)


def test_finished_shards_are_taken_up_again_unless_a_chunk_changes(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    data = _create(group, "x", BYTES)
    once = stats(tmp_path / "a.zarr", out=tmp_path / "out")
    shard = next(open_stream(tmp_path / "a.zarr").shards())
    assert pickle.loads(pickle.dumps(shard)).identity() == shard.identity()
    data[0] = 0
    changed = stats(tmp_path / "a.zarr", out=tmp_path / "out")
    assert changed.mean.value[0] < once.mean.value[0]
    shutil.rmtree(tmp_path / "out")
    assert stats(tmp_path / "a.zarr", out=tmp_path / "out").mean == changed.mean


@pytest.mark.parametrize("place", ["start", "end"])
@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize("endian", ["little", "big"])
def test_a_shard_is_read_at_once_wherever_its_index_lies(tmp_path, place, checksum, endian):
    codecs = zarr.codecs
    index = [codecs.BytesCodec(endian=endian), codecs.Crc32cCodec()][: 1 + checksum]
    shard = codecs.ShardingCodec(
        chunk_shape=(2, 3, 17, 13), index_location=place, index_codecs=index,
        codecs=[codecs.BytesCodec(), codecs.BloscCodec(clevel=0)],
    )  # fmt: skip
    path, pixels = tmp_path / "a.zarr", BYTES[:10].copy()
    pixels[:2] = 0  # which is not written
    array = zarr.create(
        store=path, shape=pixels.shape, dtype="u1", chunks=pixels.shape, codecs=[shard]
    )
    array[...] = pixels
    store = WholeChunks(zarr.storage.LocalStore(path, read_only=True))
    read = zarr.open_array(store, mode="r")
    store.note(read)
    np.testing.assert_array_equal(read[...], pixels)
    exact(stats(path), pixels, 1)
    file = path / "c" / "0" / "0" / "0" / "0"
    file.write_bytes(file.read_bytes()[:-300])
    with pytest.raises(ValueError, match="checksum|so it is cut"):
        read[...]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("name", ["a.zarr.zip", "A.OZX", "folder.zarr.zip"])
def test_a_zip_archive_of_a_folder(tmp_path, name, zarr_format):
    folder, path = tmp_path / "in" / "a.zarr", tmp_path / name
    group = zarr.open_group(folder, mode="w", zarr_format=zarr_format)
    _create(group, "deep/images", BYTES)
    top = folder.parent if name.startswith("folder") else folder
    shutil.make_archive(str(tmp_path / "made"), "zip", top)
    (tmp_path / "made.zip").rename(path)
    for source in (path, f"{path}::deep", f"{path}::deep/images"):
        exact(stats(source), BYTES, 1)
    shards = list(open_stream(path).shards())
    assert pickle.loads(pickle.dumps(shards[0])).identity() == shards[0].identity()
    whole = path.read_bytes()
    for kept in (0, 9, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:kept])
        assert refusal(path).startswith(f"{path} must be a whole Zarr folder, got: ")


def test_a_member_of_a_zip_archive_is_bounded(tmp_path, monkeypatch):
    path = tmp_path / "a.zarr.zip"
    store = zarr.storage.ZipStore(path, mode="w")
    _create(zarr.open_group(store, mode="w"), "x", BYTES, compressors=None)
    store.close()
    monkeypatch.setattr(zarr_folder, "MAX_BYTES", 4000)
    assert refusal(path) == (
        f"{path} must be a whole Zarr folder, got: a member of 4641 bytes. Check it, or make it "
        "again."
    )


def test_chunks_of_no_length_are_refused(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, shape=(4, 8, 8), dtype="u1", chunks=(1, 8, 8))
    header = json.loads((path / "zarr.json").read_text())
    header["chunk_grid"]["configuration"]["chunk_shape"] = [0, 8, 8]
    (path / "zarr.json").write_text(json.dumps(header))
    assert refusal(path) == (
        f"{path} must be stored in chunks that hold values, got chunks of no length along an axis. "
        "Store it again."
    )
