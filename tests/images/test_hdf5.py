"""HDF5 files that h5py writes, against NumPy over the same arrays."""

from __future__ import annotations

import pickle
import sys

import h5py
import numpy as np
import pytest

from normscope import stats
from normscope.cli.app import run
from normscope.errors import NormscopeError
from normscope.images.containers.variable import Variable
from normscope.images.stream import open_stream
from tests.images.damaged import refusal, survives
from tests.images.exactness import exact

RANDOM = np.random.default_rng(0)
BYTES = RANDOM.integers(0, 256, (50, 3, 17, 13), dtype=np.uint8)


@pytest.mark.parametrize(
    ("options", "dtype"),
    [
        ({}, np.uint8),
        ({"chunks": (7, 3, 5, 13), "compression": "gzip", "shuffle": True}, np.uint8),
        ({"chunks": (50, 1, 4, 4), "fletcher32": True}, np.int16),
        ({"chunks": True, "compression": "lzf"}, np.uint16),
        ({}, ">i4"),
    ],
)
def test_integers_are_exact_however_they_are_stored(tmp_path, options, dtype):
    array = BYTES.astype(dtype)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("images", data=array, **options)
        file["labels"] = np.arange(50)
    found = stats(tmp_path / "a.h5")
    exact(found, array, 1)
    assert (found.images, found.dtype) == (50, np.dtype(dtype).name)
    assert found.notes[0] == (
        f"Of {tmp_path}/a.h5 images (50 x 3 x 17 x 13, {np.dtype(dtype)}) is taken, "
        "the only array that can be images."
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f8"])
def test_floats(tmp_path, dtype):
    array = RANDOM.random((20, 9, 8)).astype(dtype)
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["deep/images"] = array
    found = stats(f"{tmp_path}/a.hdf5::deep/images")
    wide = array.astype(float)
    np.testing.assert_allclose(found.mean.value, [wide.mean()], rtol=1e-12)
    np.testing.assert_allclose(found.std.value, [wide.std()], rtol=1e-12)
    assert found.name == f"{tmp_path}/a.hdf5::deep/images"


def test_per_image_numbers_are_those_of_the_array(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=BYTES.transpose(0, 2, 3, 1), chunks=(4, 8, 8, 3))
    found, array = stats(tmp_path / "a.h5", batch_size=8), stats(BYTES, batch_size=8)
    for name in ("mean", "std", "mean_image_std", "root_mean_image_variance", "batch_std"):
        assert getattr(found, name) == getattr(array, name)


@pytest.mark.parametrize("shape", [(6, 5, 4, 8, 9), (2, 3, 5, 2, 8, 9)])
@pytest.mark.parametrize("first", [1, 2])
def test_further_axes_are_images_in_their_order(tmp_path, monkeypatch, shape, first):
    monkeypatch.setattr("normscope.images.containers.image_array.READ_BYTES", 72 * 7)
    monkeypatch.setattr("normscope.images.containers.image_array.CHUNKED_BYTES", 72 * 30)
    array = RANDOM.integers(0, 256, shape, dtype=np.uint8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("x", data=array, chunks=(first, *(1,) * (len(shape) - 3), 8, 9))
        for axis, dim in enumerate("tzpqyx"[-len(shape) :]):
            data.dims[axis].label = dim
    shards = list(open_stream(tmp_path / "a.h5").shards())
    assert len(shards) > 1
    images = [pixels.values for shard in shards for _, _, pixels in shard.images()]
    np.testing.assert_array_equal(np.concatenate(images)[:, 0], array.reshape(-1, 8, 9))
    assert [s.start for s in shards] == np.cumsum([0, *(s.count for s in shards)])[:-1].tolist()
    some = pickle.loads(pickle.dumps(shards[1])).only(np.array([0, 2]))
    rows = [pixels.values[0, 0] for _, _, pixels in some.images()]
    np.testing.assert_array_equal(
        rows, array.reshape(-1, 8, 9)[[shards[1].start, shards[1].start + 2]]
    )


def test_one_of_several_must_be_named(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["raw/a"], file["raw/b"], file["masks"] = BYTES, BYTES[:10], BYTES[:, 0]
    assert refusal(path) == (
        f"{path} must be asked for one of its arrays, got 3 that could be images: "
        "masks (50 x 17 x 13, uint8), raw/a (50 x 3 x 17 x 13, uint8) and "
        f"raw/b (10 x 3 x 17 x 13, uint8). Name one, as in {path}::masks, or a group of them."
    )
    assert stats(f"{path}::raw/b").images == 10
    group = stats(f"{path}::/raw/")
    assert group.images == 60
    assert group.notes[0] == f"All 2 arrays of {path}::raw are taken, in order."
    np.testing.assert_allclose(
        group.mean.value, np.concatenate([BYTES, BYTES[:10]]).mean((0, 2, 3)) / 255, rtol=1e-12
    )
    assert refusal(f"{path}::raw/c") == (
        f"the part of {path} must be one of masks, raw/a, raw/b, got 'raw/c'. Did you mean 'raw/b'?"
    )
    with h5py.File(path, "a") as file:
        file["raw/nir"] = BYTES[:, :2]
    assert refusal(f"{path}::raw") == (
        f"the images of {path}::raw must be of one kind, got 50 2 channels uint8, 60 colour uint8. "
        "Pass channels='rgb' or channels='grey', or take some of them with select."
    )


def test_an_array_of_two_named_axes_beside_deeper_unnamed_ones_is_passed_over(tmp_path):
    path = tmp_path / "a.h5"
    photos = BYTES[:, :1]
    with h5py.File(path, "w") as file:
        table = file.create_dataset("table", data=BYTES[0, 0])
        table.dims[0].label, table.dims[1].label = "y", "x"
        file["photos"] = photos[:, 0]
    found = stats(path)
    assert found.images == len(photos)
    exact(found, photos, 1)


@pytest.mark.parametrize(("split", "images"), [(None, 30), ("train", 30), ("test", 5), ("all", 35)])
def test_splits_by_name(tmp_path, split, images):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["train/x"], file["test/x"], file["train/y"] = BYTES[:30], BYTES[30:35], np.arange(30)
    assert stats(tmp_path / "a.h5", split=split).images == images
    assert refusal(tmp_path / "a.h5", split="val") == (
        f"{tmp_path}/a.h5 must hold an array of split='val', got test/x, train/x. "
        "Choose a split that is there, or all."
    )


def test_fill_values_do_not_count_and_scales_are_applied(tmp_path):
    stored = RANDOM.integers(0, 1000, (6, 9, 8)).astype(np.int16)
    stored[:, :2] = -9999
    stored[:, 2, 2] = -1
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("x", data=stored, chunks=(2, 9, 8))
        data.attrs["_FillValue"] = np.int16([-9999])
        data.attrs["missing_value"] = np.float64(-1)
        data.attrs["scale_factor"], data.attrs["add_offset"] = 0.0001, np.float64(0.25)
    values = stored[(stored != -9999) & (stored != -1)] * 0.0001 + 0.25
    found = stats(tmp_path / "a.h5")
    np.testing.assert_allclose(found.mean.value, [values.mean()], rtol=1e-12)
    np.testing.assert_allclose(found.std.value, [values.std()], rtol=1e-12)
    assert (found.counted, found.dtype) == ((values.size,), "float64")
    assert (
        "6 images with pixels of the file's fill value, -9999, -1: these do not count."
        in found.notes
    )
    assert "6 images with a scale and offset in the header, which are applied." in found.notes


def test_booleans_enumerations_and_image_attributes(tmp_path):
    masks = RANDOM.random((5, 6, 7)) > 0.5
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["masks"] = masks
        file["masks"].attrs["CLASS"] = np.bytes_("IMAGE")
    found = stats(tmp_path / "a.h5", scale=1)
    assert found.mean.value == (masks.mean(),)


@pytest.mark.parametrize(
    "part", ["real/train/x", "hard", "soft", "group", "group/x", "soft_group", "/soft_group/x/"]
)
def test_a_dataset_is_found_by_each_of_its_names(tmp_path, part):
    path, images = tmp_path / "a.h5", RANDOM.integers(0, 256, (6, 5, 7), np.uint8)
    with h5py.File(path, "w") as file:
        file["real/train/x"] = images
        file["hard"], file["group"] = file["real/train/x"], file["real/train"]
        file["soft"] = h5py.SoftLink("/hard")
        file["soft_group"] = h5py.SoftLink("/real/train")
        file["dangling"] = h5py.SoftLink("/nowhere")
    exact(stats(f"{path}::{part}"), images[:, None], 1)
    assert stats(path).images == 6
    with pytest.raises(NormscopeError, match="must be one of"):
        stats(f"{path}::dangling")


def test_a_link_to_a_link_to_another_file_is_not_followed(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.zeros((6, 5, 7), np.uint8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["y"] = np.zeros((6, 5, 7), np.uint8)
        file["external"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")
        file["soft"] = h5py.SoftLink("/external")
    with pytest.raises(NormscopeError, match="must be one of"):
        stats(f"{tmp_path}/a.h5::soft")


def test_links_to_other_files_are_not_followed(tmp_path):
    inside, outside = tmp_path / "a.h5", tmp_path / "b.h5"
    with h5py.File(outside, "w") as file:
        file["secret/x"] = BYTES
    (tmp_path / "raw.bin").write_bytes(BYTES.tobytes())
    with h5py.File(inside, "w") as file:
        file["mine"] = BYTES[:4]
        file["again"] = h5py.SoftLink("/mine")
        file["link"] = h5py.ExternalLink("b.h5", "/secret")
        file["loop"] = file["/"]
        file.create_dataset(
            "external",
            BYTES.shape,
            np.uint8,
            external=[(str(tmp_path / "raw.bin"), 0, h5py.h5f.UNLIMITED)],
        )
        layout = h5py.VirtualLayout(BYTES.shape, np.uint8)
        layout[:] = h5py.VirtualSource(outside, "secret/x", BYTES.shape)
        file.create_virtual_dataset("virtual", layout)
    for part in ("link/x", "link", "external", "virtual"):
        assert refusal(f"{inside}::{part}") == (
            f"{inside}::{part} must lie in its own file, got one that is stored in others, which "
            "are not followed. Ask for those files themselves."
        )
    assert stats(f"{inside}::mine").images == 4


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("names", "must hold integers or floats, got object. Ask for another array."),
        ("records", "must hold integers or floats, got records. Ask for another array."),
        ("waves", "must hold integers or floats, got complex64. Ask for another array."),
        (
            "none",
            "must have rows and columns, and no axis empty, got the shape (0, 8, 8). "
            "Ask for another array.",
        ),
        (
            "labels",
            "must have rows and columns, and no axis empty, got the shape (9,). "
            "Ask for another array.",
        ),
        (
            "huge",
            "must hold the pixels that its header promises, got 0 bytes for 1000000000000 bytes "
            "of pixels. Check that the file is whole.",
        ),
        (
            "wide",
            "must hold images of at most 200000000 pixels and 1073741824 bytes, got 20000 x 20000 "
            "pixels of 1 channels, 400000000 bytes. Cut them into tiles, or say by layout which "
            "axes are which.",
        ),
    ],
)
def test_what_is_no_image_is_said(tmp_path, name, sentence):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["names"] = np.array([["a", "b"]], object)
        file["records"] = np.zeros((4, 5, 6), [("a", "u1"), ("b", "f4")])
        file["waves"] = np.zeros((4, 5, 6), np.complex64)
        file["labels"] = np.arange(9)
        file.create_dataset("none", (0, 8, 8), np.uint8)
        file.create_dataset("huge", (10**6, 1000, 1000), np.uint8, chunks=(1, 1000, 1000))
        file.create_dataset("wide", (20_000, 20_000), np.uint8, chunks=(100, 100))
    assert refusal(f"{tmp_path}/a.h5::{name}") == f"{tmp_path}/a.h5::{name} {sentence}"


def test_a_file_without_images_is_said(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["labels"] = np.arange(9)
    assert refusal(tmp_path / "a.h5") == (
        f"{tmp_path}/a.h5 must hold an array of images, of integers or floats with rows and "
        "columns, got labels (9, int64). Save the pixels."
    )
    (tmp_path / "b.h5").write_bytes(b"no such thing")
    assert refusal(tmp_path / "b.h5") == (
        f"{tmp_path}/b.h5 must be a whole HDF5 file, got: Unable to synchronously open file (file "
        "signature not found). Check it, or make it again."
    )
    (tmp_path / "c.hdf").write_bytes(b"\x0e\x03\x13\x01")
    assert refusal(tmp_path / "c.hdf") == (
        f"{tmp_path}/c.hdf must be an HDF5 file, got one of HDF4. Convert it by h4toh5."
    )


def test_a_damaged_chunk_costs_its_own_images_alone(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("x", data=BYTES, chunks=(10, 3, 17, 13), fletcher32=True)
        place = data.id.get_chunk_info(2).byte_offset
    raw = bytearray(path.read_bytes())
    raw[place + 5] ^= 1
    path.write_bytes(raw)
    found = stats(path)
    assert found.images == 40
    assert [skip.path.name for skip in found.skipped] == [f"a.h5::x[{k}]" for k in range(20, 30)]
    assert found.skipped[0].reason.startswith("cannot be read from the file: Can't")
    exact(found, np.concatenate([BYTES[:20], BYTES[30:]]), 1)


@pytest.mark.parametrize("options", [{}, {"chunks": (2, 3, 6, 5), "compression": "gzip"}])
def test_damage_leads_to_no_other_exception(tmp_path, options):
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=0, libver="latest") as file:
        file.create_dataset("x", data=BYTES[:4, :, :6, :5], **options).attrs["scale_factor"] = 2.0
    assert sum(survives(tmp_path / "a.h5", rounds=50, scale=255)) == 50


def test_finished_shards_are_taken_up_again(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = BYTES
    once = stats(tmp_path / "a.h5", out=tmp_path / "out")
    monkeypatch.setattr("normscope.images.containers.hdf5._read", lambda *_: None)
    assert stats(tmp_path / "a.h5", out=tmp_path / "out").to_json() == once.to_json()


def test_a_part_of_many_files(tmp_path):
    for number in range(2):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            file["x"], file["y"] = BYTES[number::2], BYTES
    found = stats(f"{tmp_path}/*.h5::x")
    assert found.images == 50
    exact(found, BYTES, 1)
    assert stats(f"{tmp_path}/{{1..1}}.h5::x").images == 25


def test_on_the_command_line(tmp_path, capsys):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"], file["y"] = BYTES, BYTES
    assert run(["stats", f"{tmp_path}/a.h5"]) == 2
    assert "Name one, as in" in capsys.readouterr().err
    assert run(["stats", f"{tmp_path}/a.h5::x", f"{tmp_path}/a.h5::y"]) == 0
    assert "100 images, 22100 pixels, uint8" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["a.h5", "a.nc", "a.mat"])
def test_a_missing_library_is_named(tmp_path, monkeypatch, name):
    with h5py.File(tmp_path / name, "w") as file:
        file["x"] = BYTES
    monkeypatch.delitem(sys.modules, "normscope.images.containers.hdf5", raising=False)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(NormscopeError) as error:
        stats(tmp_path / name)
    assert str(error.value) == (
        f"h5py must be installed for {tmp_path / name}, got none. "
        "Run: pip install 'normscope[arrays]'"
    )


def test_arrays_are_not_compared_with_each_other(tmp_path, monkeypatch):
    """Each with each would take minutes where a file has ten thousand."""

    def compared(*_):
        raise AssertionError

    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for index in range(3):
            file[f"{index}"] = np.zeros((4, 5, 6), np.uint8)
    monkeypatch.setattr(Variable, "__eq__", compared)
    assert "got 3 that could be images" in refusal(path)
