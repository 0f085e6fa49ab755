"""Arrays of Dask, xarray and Zarr, against NumPy over what they hold, read part by part."""

from __future__ import annotations

import dask.array
import numpy as np
import pytest
import xarray
import zarr

from normscope import stats
from tests.images.damaged import refusal
from tests.images.exactness import exact

RANDOM = np.random.default_rng(0)
BYTES = RANDOM.integers(0, 256, (40, 3, 17, 13), dtype=np.uint8)


class Recorder:
    """An array that writes down how much of it is asked for at a time."""

    def __init__(self, array):
        self.array, self.asked = array, []
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, box):
        part = self.array[box]
        self.asked.append(part.nbytes)
        return part


@pytest.mark.parametrize("chunks", [(7, 3, 17, 13), (40, 1, 5, 13), "auto"])
def test_a_dask_array_is_exact(chunks):
    found = stats(dask.array.from_array(BYTES, chunks=chunks), batch_size=9)
    exact(found, BYTES, 1)
    assert (found.batch_std, found.images) == (stats(BYTES, batch_size=9).batch_std, 40)


def test_it_is_never_in_memory_as_a_whole(monkeypatch):
    monkeypatch.setattr("normscope.images.containers.image_array.READ_BYTES", 2 * BYTES[0].nbytes)
    recorder = Recorder(BYTES)
    found = stats(dask.array.from_array(recorder, chunks=(4, 3, 17, 13)), workers=1)
    exact(found, BYTES, 1)
    assert [asked for asked in recorder.asked if asked] == [4 * BYTES[0].nbytes] * 10


@pytest.mark.parametrize(
    ("dims", "images", "channels"),
    [
        (("time", "band", "y", "x"), 40, 3),
        (("y", "channel", "x", "z"), 13, 3),
        (("latitude", "c", "t", "longitude"), 17, 3),
        (("a", "b", "y", "x"), 120, 1),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_the_axes_of_xarray_go_by_their_names(dims, images, channels, chunked):
    data = xarray.DataArray(BYTES, dims=dims)
    found = stats(data.chunk({dims[0]: 9}) if chunked else data)
    assert (found.images, found.channels) == (images, channels)
    exact(found, BYTES if channels == 3 else BYTES.reshape(120, 1, 17, 13), 1)
    assert found.notes[0].startswith(f"Axes {', '.join(dims)}: 40 x 3 x 17 x 13 values are read ")


def test_floats_of_xarray_with_nothing_in_some():
    values = RANDOM.random((5, 9, 8))
    values[0, :4] = np.nan
    found = stats(xarray.DataArray(values, dims=("time", "lat", "lon")).chunk())
    np.testing.assert_allclose(found.mean.value, [np.nanmean(values)], rtol=1e-12)
    np.testing.assert_allclose(found.std.value, [np.nanstd(values)], rtol=1e-12)


def test_an_open_zarr_array(tmp_path):
    data = zarr.create_array(tmp_path / "a", shape=BYTES.shape, chunks=(7, 3, 17, 13), dtype="u1")
    data[...] = BYTES
    exact(stats(data), BYTES, 1)


def test_what_is_no_image_is_said():
    array = dask.array.from_array(BYTES)
    assert refusal(array[:, :, :, 0].astype(complex)) == (
        "the array must hold integers or floats, got complex128. Ask for another array."
    )
    assert refusal(array[array > 3]) == (
        "the array must have a known shape, got one that Dask has yet to compute. "
        "Call its compute_chunk_sizes()."
    )
    assert refusal(dask.array.zeros((0, 3, 3))) == (
        "the array must have rows and columns, and no axis empty, got the shape (0, 3, 3). "
        "Ask for another array."
    )
    assert refusal(array, split="val") == (
        "the array must hold splits for split='val', got one collection without names. "
        "Leave out split, or pass all."
    )


def test_a_part_that_cannot_be_computed_costs_its_own_images_alone():
    def broken(block, block_info=None):
        if block_info[0]["array-location"][0][0] == 20:
            raise OSError("disk is gone")
        return block

    array = dask.array.from_array(BYTES, chunks=(10, 3, 17, 13)).map_blocks(broken, dtype="u1")
    found = stats(array)
    assert found.images == 30
    assert (str(found.skipped[0].path), found.skipped[0].reason) == (
        "the array[20]", "cannot be read from the file: disk is gone",
    )  # fmt: skip
