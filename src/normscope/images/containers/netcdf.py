"""NetCDF: version 4 is HDF5, the classic format is mapped by SciPy."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.io import netcdf_file

from normscope.errors import NormscopeError
from normscope.images.containers.packing import Packing
from normscope.images.containers.variable import Variable
from normscope.images.containers.variable_stream import stream_of, whole_file
from normscope.images.remote import held_remote
from normscope.images.urls import is_remote

if TYPE_CHECKING:
    from normscope.images.collection import Stream
    from normscope.images.containers.opening import Wanted
    from normscope.images.containers.variable import Box

HDF5_MAGIC, CLASSIC_MAGICS, CDF5_MAGIC = b"\x89HDF", (b"CDF\1", b"CDF\2"), b"CDF\5"
DEFAULT_FILLS = {
    "i2": -32767, "i4": -2147483647, "i8": -9223372036854775806, "u2": 65535, "u4": 4294967295,
    "u8": 18446744073709551614, "f4": 9.969209968386869e36, "f8": 9.969209968386869e36,
}  # fmt: skip
"""What is never written reads as (netcdf.h, ``NC_FILL_*``); of bytes every value may be meant."""


def open_stream(wanted: Wanted) -> Stream:
    """The images of a NetCDF file.

    Args:
        wanted: Its path, and a variable.

    Returns:
        The images, unread.

    Raises:
        NormscopeError: If it is of a version that is not read.
    """
    with whole_file(wanted.path, "NetCDF file") as head:
        if head[:4] not in {HDF5_MAGIC, *CLASSIC_MAGICS}:
            met = "CDF-5" if head[:4] == CDF5_MAGIC else "another format"
            raise NormscopeError(
                f"{wanted.path} must be of NetCDF's classic format or version 4, got {met}. "
                "Convert it, such as by nccopy -k nc4."
            )
        variables = _of_version_4(wanted.path) if head[:4] == HDF5_MAGIC else _classic(wanted.path)
    return stream_of(variables, wanted)


def _of_version_4(path: str) -> list[Variable]:
    from normscope.images.containers.hdf5 import variables_of

    return variables_of(path, DEFAULT_FILLS)


def _classic(path: str) -> list[Variable]:
    with _opened(path) as file:
        return [
            Variable(
                path,
                name,
                tuple(int(size) for size in variable.data.shape),
                variable.data.dtype,
                partial(_read, path, name),
                dims=tuple(variable.dimensions),
                packing=Packing.of(
                    variable._attributes, DEFAULT_FILLS.get(variable.data.dtype.str[1:])
                ),
            )
            for name, variable in file.variables.items()
        ]


def _opened(path: str) -> netcdf_file:
    is_mapped = not is_remote(path)
    file = (
        Path(path).open("rb")  # noqa: SIM115 - closed with what is returned
        if is_mapped
        else io.BytesIO(held_remote(path, "NetCDF's classic format"))
    )
    try:
        return netcdf_file(file, mmap=is_mapped)
    except BaseException as error:
        file.close()  # Else SciPy would fail again as it is collected.
        if isinstance(error, IndexError | ValueError):  # Its words are those of arrays.
            raise ValueError("a header that is damaged, or promises more than there is") from None
        raise


def _read(path: str, name: str, box: Box) -> np.ndarray:
    with _opened(path) as file:
        return np.array(file.variables[name].data[box])
