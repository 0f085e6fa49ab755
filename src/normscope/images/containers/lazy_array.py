"""Arrays of Python that are not in memory: Dask's, Zarr's and xarray's, read by their chunks."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.errors import NormscopeError
from normscope.images.containers.variable import Variable
from normscope.images.containers.variable_stream import axes_note, image_array, stream_of_arrays

if TYPE_CHECKING:
    from normscope.images.collection import Stream
    from normscope.images.containers.variable import Box

CLASSES = {"dask.array": "Array", "xarray": "DataArray", "zarr": "Array"}
NAME = "the array"


def open_lazy_array(source: Any, layout: str | None) -> Stream | None:
    """The images of an array that Dask, Zarr or xarray holds.

    Args:
        source: Anything.
        layout: What its axes are, or None for what xarray calls them or their lengths.

    Returns:
        The images, unread, or None if it is no such array.

    Raises:
        NormscopeError: If its shape is unknown, or it holds no images.
    """
    # Such an array can only be met where its library has been imported.
    modules = [(sys.modules.get(module), name) for module, name in CLASSES.items()]
    if not any(module and isinstance(source, getattr(module, name)) for module, name in modules):
        return None
    if not all(isinstance(size, int) for size in source.shape):
        raise NormscopeError(
            "the array must have a known shape, got one that Dask has yet to compute. "
            "Call its compute_chunk_sizes()."
        )
    variable = Variable(
        NAME,
        "",
        tuple(source.shape),
        np.dtype(source.dtype),
        partial(_read, source),
        dims=tuple(str(dim) for dim in getattr(source, "dims", ())),
        chunks=_chunks(source.chunks),
    )
    array = image_array(variable, layout)
    notes = tuple(filter(None, [axes_note(array, layout)]))
    return stream_of_arrays("array", [array], notes)


def _chunks(chunks: Any) -> tuple[int, ...] | None:
    return chunks and tuple(size if isinstance(size, int) else max(size) for size in chunks)


def _read(source: Any, box: Box) -> np.ndarray:
    return np.asarray(source[box])
