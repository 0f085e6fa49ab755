"""MATLAB's files, as SciPy and h5py write them, against NumPy over the same arrays."""

from __future__ import annotations

import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from scipy.io import loadmat, savemat

from normscope import stats
from normscope.images.containers.mat5 import arrays_of
from tests.images.damaged import refusal, survives
from tests.images.exactness import exact

SAMPLES = Path(scipy.io.__file__).parent / "matlab" / "tests" / "data"
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (17, 13, 3, 40), dtype=np.uint8)
"""Height, width, channel, image: as SVHN's X."""


def save_7_3(path, arrays):
    """As MATLAB's save -v7.3 does: a user block before the HDF5, columns first, classes named."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            data = file.create_dataset(name, data=array.T, chunks=True, compression="gzip")
            data.attrs["MATLAB_class"] = np.bytes_(array.dtype.name)
        file["#refs#/a"] = np.zeros((4, 4, 4))
        file["words"] = np.array([[104, 105]], np.uint16)
        file["words"].attrs["MATLAB_class"] = np.bytes_("char")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")


@pytest.mark.parametrize("version", ["5", "5z", "7.3"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64, ">u2"])
def test_images_lie_along_the_last_axis(tmp_path, version, dtype):
    path = tmp_path / "train.mat"
    array = (IMAGES / 255 if dtype == np.float64 else IMAGES).astype(dtype)
    arrays = {"X": array, "y": np.arange(40)[:, None]}
    if version == "7.3":
        save_7_3(path, arrays)
    else:
        savemat(path, {**arrays, "words": "hello"}, do_compression=version == "5z")
    found = stats(path)
    if dtype == np.float64:
        np.testing.assert_allclose(found.mean.value, array.mean((0, 1, 3)), rtol=1e-12)
        np.testing.assert_allclose(found.std.value, array.std((0, 1, 3)), rtol=1e-12)
    else:
        exact(found, array, 2)
    assert found.images == 40
    assert found.notes[0].endswith("is taken, the only array that can be images.")
    assert found.notes[1] == ("17 x 13 x 3 x 40 values are read as HWCN; layout changes it.")


@pytest.mark.parametrize("name", [
    "testdouble_7.4_GLNX86", "testmatrix_6.1_SOL2", "testmatrix_7.1_GLNX86", "big_endian",
    "little_endian", "testminus_7.4_GLNX86", "testbool_8_WIN64", "test3dmatrix_6.1_SOL2",
    "test3dmatrix_7.4_GLNX86", "test_skip_variable",
])  # fmt: skip
def test_files_that_matlab_wrote_are_what_scipy_reads(name):
    path = SAMPLES / f"{name}.mat"
    if not path.exists():
        pytest.skip("SciPy is installed without its samples")
    ours = {array.name: array for array in arrays_of(str(path))}
    compared = 0
    for key, theirs in loadmat(path, mat_dtype=True).items():
        if isinstance(theirs, np.ndarray) and theirs.dtype.kind in "biuf":
            np.testing.assert_array_equal(ours[key].load(), theirs)
            assert ours[key].dtype.kind == theirs.dtype.kind
            compared += 1
    assert compared


@pytest.mark.parametrize("save", [savemat, save_7_3])
@pytest.mark.parametrize(
    ("shape", "layout", "images", "channels"),
    [
        ((9, 8, 30), None, 30, 1),
        ((9, 8, 3), None, 1, 3),
        ((9, 8, 3), "HWN", 3, 1),
        ((30, 9, 8, 3), None, 30, 3),
        ((30, 9, 8), "NHW", 30, 1),
        ((9, 8, 4, 5, 6), None, 30, 4),
    ],
)
def test_layouts(tmp_path, save, shape, layout, images, channels):
    array = RANDOM.integers(0, 256, shape, dtype=np.uint8)
    save(tmp_path / "a.mat", {"a": array})
    found = stats(f"{tmp_path}/a.mat::a", layout=layout)
    assert (found.images, found.channels) == (images, channels)
    pixels = np.moveaxis(array, shape.index(channels), -1) if channels > 1 else array[..., None]
    exact(found, pixels, pixels.ndim - 1)


def test_the_order_of_images_is_the_file_s(tmp_path):
    savemat(tmp_path / "a.mat", {"a": IMAGES})
    save_7_3(tmp_path / "b.mat", {"a": IMAGES})
    old, new = (stats(f"{tmp_path}/{name}.mat::a", batch_size=7) for name in "ab")
    array = stats(np.ascontiguousarray(IMAGES.transpose(3, 2, 0, 1)), batch_size=7)
    assert old.batch_std == new.batch_std == array.batch_std
    assert old.mean_image_std == new.mean_image_std == array.mean_image_std


def test_what_is_no_image_is_said(tmp_path):
    path = tmp_path / "a.mat"
    savemat(path, {"a": np.array([["x", "y"]], object), "b": "text", "c": IMAGES + 0j})
    assert refusal(f"{path}::a") == (
        f"{path}::a must hold integers or floats, got object. Ask for another array."
    )
    assert refusal(f"{path}::c") == (
        f"{path}::c must hold integers or floats, got object. Ask for another array."
    )
    savemat(path, {"a": "text"})
    assert refusal(path) == (
        f"{path} must hold an array of images, of integers or floats with rows and columns, got "
        "a (1 x 4, object). Save the pixels."
    )
    path.write_bytes(b"\x89PNG" * 100)
    assert refusal(path) == (
        f"{path} must be a whole MATLAB file, got: neither version 5 nor 7.3 of MATLAB's format. "
        "Check it, or make it again."
    )
    path.write_bytes(b"")
    assert refusal(path) == (
        f"{path} must be a whole MATLAB file, got: neither version 5 nor 7.3 of MATLAB's format. "
        "Check it, or make it again."
    )


def test_a_packed_array_is_held_against_its_length_and_checksum(tmp_path):
    path = tmp_path / "a.mat"
    savemat(path, {"x": IMAGES[..., :3]}, do_compression=True)
    whole = path.read_bytes()
    inside = zlib.decompress(whole[136:])
    flipped = bytes([whole[-1] ^ 1])
    for element in (zlib.compress(inside + bytes(64)), whole[136:-1] + flipped):
        path.write_bytes(whole[:132] + len(element).to_bytes(4, "little") + element)
        assert refusal(path)
    # SciPy refuses it for the same reason.
    assert refusal(SAMPLES / "corrupted_zlib_data.mat")
    path.write_bytes(whole)
    assert stats(path).images == 3


def test_a_bomb_is_refused_by_its_header(tmp_path):
    path = tmp_path / "a.mat"
    savemat(path, {"a": np.zeros((2, 3, 4), np.uint8)})
    data = path.read_bytes()
    sizes = np.array([2, 3, 4], "<i4").tobytes()
    assert data.count(sizes) == 1
    path.write_bytes(data.replace(sizes, np.array([10_000, 10_000, 10_000], "<i4").tobytes()))
    assert refusal(path) == (
        f"{path} must be a whole MATLAB file, got: a of 24 bytes, unlike its shape says. "
        "Check it, or make it again."
    )
    tag = np.array([2, 24], "<i4").tobytes()
    element = data[128:].replace(sizes, np.array([2000, 3000, 400], "<i4").tobytes())
    packed = zlib.compress(element.replace(tag, np.array([2, 2_400_000_000], "<u4").tobytes()))
    path.write_bytes(data[:128] + np.array([15, len(packed)], "<i4").tobytes() + packed)
    assert refusal(path) == (
        f"{path}::a must be unpacked into at most 2147483648 bytes, got 2400000000. "
        "Save it with -v7.3, which is read part by part."
    )


@pytest.mark.parametrize("packed", [True, False])
def test_damage_to_version_5_leads_to_no_other_exception(tmp_path, packed):
    savemat(tmp_path / "a.mat", {"a": IMAGES[:5, :4, :, :3]}, do_compression=packed)
    assert sum(survives(tmp_path / "a.mat")) == 100


def test_damage_to_version_7_3_leads_to_no_other_exception(tmp_path):
    save_7_3(tmp_path / "a.mat", {"a": IMAGES[:5, :4, :, :3]})
    assert sum(survives(tmp_path / "a.mat", rounds=50)) == 50


def test_a_strange_name_and_many_axes_are_shown_in_short(tmp_path):
    path = tmp_path / "a.mat"
    name = "\x1b]0;x\x07" + "y" * 5000
    with h5py.File(path, "w") as file:
        file[name] = np.zeros((0,) * 20)
        file["<b>\n"] = np.zeros((4, 5, 6), [("a", "i4"), ("b" * 3000, "i4")])
    text = refusal(path)
    assert text.isprintable()
    assert f"\\x1b]0;x\\x07{'y' * 194}... (20 axes, float64)" in text
    assert "<b>\\n (6 x 5 x 4, records)" in text
