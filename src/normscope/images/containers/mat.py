"""MATLAB's files: version 7.3 is HDF5 with its axes reversed, version 5 a format of its own."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from normscope.images.arrays import MAX_BYTES
from normscope.images.containers.axes import matlab_axes
from normscope.images.containers.mat5 import Mat5Array, arrays_of
from normscope.images.containers.variable import Variable
from normscope.images.containers.variable_stream import stream_of, whole_file

if TYPE_CHECKING:
    from normscope.images.collection import Stream
    from normscope.images.containers.opening import Wanted
    from normscope.images.containers.variable import Box

KIND = "MATLAB file"


def open_stream(wanted: Wanted) -> Stream:
    """The images of a MATLAB file, whose axes MATLAB's users order height, width, channel, image.

    Args:
        wanted: Its path, and a variable.

    Returns:
        The images, unread.
    """
    with whole_file(wanted.path, KIND) as head:
        if head.startswith((b"\x89HDF", b"MATLAB 7.3")):
            variables = _of_version_7_3(wanted.path)
        else:
            variables = [_of_version_5(array) for array in arrays_of(wanted.path)]
    return stream_of(variables, wanted)


def _of_version_5(array: Mat5Array) -> Variable:
    refusal = (
        f"must be unpacked into at most {MAX_BYTES} bytes, got {array.unpacked_bytes}. "
        "Save it with -v7.3, which is read part by part."
    )
    return Variable(
        array.path,
        array.name,
        array.shape,
        array.dtype,
        load=partial(_load, array),
        guess=matlab_axes,
        refusal=refusal if array.unpacked_bytes > MAX_BYTES else "",
    )


def _load(array: Mat5Array) -> np.ndarray:
    with whole_file(array.path, KIND):
        return array.load()


def _of_version_7_3(path: str) -> list[Variable]:
    from normscope.images.containers.hdf5 import opened, variables_of

    with opened(path) as file:
        return [
            replace(
                variable,
                shape=variable.shape[::-1],
                read=partial(_read_reversed, variable),
                chunks=variable.chunks and variable.chunks[::-1],
                dims=(),
                guess=matlab_axes,
                dtype=_type_of(file[variable.name], variable.dtype),
            )
            for variable in variables_of(path)
            # What cells refer to.
            if not variable.name.startswith("#refs#/")
        ]


def _type_of(dataset, stored: np.dtype) -> np.dtype:
    """Of a variable's class: texts and truth values are stored as numbers."""
    name = dataset.attrs.get("MATLAB_class")
    return {b"char": np.dtype(object), b"logical": np.dtype(bool)}.get(name, stored)


def _read_reversed(variable: Variable, box: Box) -> np.ndarray:
    assert variable.read is not None
    return variable.read(box[::-1]).T
