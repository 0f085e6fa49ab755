"""Arrays of truth values are 0 and 1, whatever holds them; bits of a TIFF stay 0 and 255."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image
from scipy.io import savemat

from normscope import stats
from tests.images.damaged import refusal

TRUE = np.random.default_rng(0).random((6, 9, 8)) < 0.25


def _hdf5(path, values):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=values, chunks=(2, 9, 8))


def _matlab_73(path, values):
    with h5py.File(path, "w") as file:
        file["x"] = values.T.astype(np.uint8)
        file["x"].attrs["MATLAB_class"] = np.bytes_("logical")


SAVE = {
    "a.npy": np.save,
    "a.npz": lambda path, values: np.savez(path, x=values),
    "packed.npz": lambda path, values: np.savez_compressed(path, x=values),
    "a.h5": _hdf5,
    "a.zarr": lambda path, values: zarr.save_array(str(path), values),
    "a.mat": lambda path, values: savemat(path, {"x": values}),
    "packed.mat": lambda path, values: savemat(path, {"x": values}, do_compression=True),
    "new.mat": _matlab_73,
}


def check(found):
    assert (found.scale, found.dtype, found.images) == (1, "uint8", len(TRUE))
    assert found.mean.value == pytest.approx((TRUE.mean(),), rel=1e-12)
    assert found.std.value == pytest.approx((TRUE.std(),), rel=1e-12)
    assert (found.minimum, found.maximum) == ((0,), (1,))
    assert found.clipped_high == pytest.approx((TRUE.mean(),))


@pytest.mark.parametrize("name", SAVE)
def test_a_file_of_truth_values(tmp_path, name):
    SAVE[name](tmp_path / name, TRUE)
    layout = {"layout": "NHW"} if name.endswith(".mat") else {}
    check(stats(tmp_path / name, **layout))
    again = [stats(tmp_path / name, out=tmp_path / "out", **layout) for _ in range(2)]
    assert again[0].to_json() == again[1].to_json()


def test_a_folder_of_truth_values(tmp_path):
    for number, values in enumerate(TRUE):
        np.save(tmp_path / f"{number}.npy", values)
    check(stats(tmp_path))


@pytest.mark.parametrize("kind", ["array", "tensor", "list", "dask"])
def test_truth_values_of_python(kind):
    source = TRUE
    if kind == "tensor":
        source = pytest.importorskip("torch").from_numpy(TRUE)
    if kind == "list":
        source = list(TRUE)
    if kind == "dask":
        source = pytest.importorskip("dask.array").from_array(TRUE, chunks=(2, 9, 8))
    check(stats(source))


def test_a_given_scale_stands():
    assert stats(TRUE, scale=2).mean.value == pytest.approx((TRUE.mean() / 2,), rel=1e-12)


def test_truth_values_beside_bytes_are_refused(tmp_path):
    np.save(tmp_path / "0.npy", TRUE[0])
    np.save(tmp_path / "1.npy", TRUE[1].astype(np.uint8))
    assert refusal(tmp_path) == (
        f"the images of {tmp_path} must all be truth values or none, got 1 of 2. Pass scale, "
        "or sort them."
    )
    assert stats(tmp_path, scale=1).mean.value == pytest.approx((TRUE[:2].mean(),), rel=1e-12)


def test_bits_of_image_files_are_0_and_255(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", TRUE[0], photometric="minisblack")
    Image.fromarray(TRUE[0]).save(tmp_path / "a.png")
    for name in ("a.tif", "a.png"):
        found = stats(tmp_path / name)
        assert (found.scale, found.maximum) == (255, (255,))
        assert found.mean.value == pytest.approx((TRUE[0].mean(),), rel=1e-12)
