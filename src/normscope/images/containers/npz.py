"""NumPy's archives: arrays are mapped where stored as they are, unpacked where compressed."""

from __future__ import annotations

import math
import zipfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from normscope.images.arrays import MAX_BYTES, READING_HEADERS
from normscope.images.containers.variable import Variable
from normscope.images.containers.variable_stream import stream_of, whole_file
from normscope.images.encoded import open_binary
from normscope.images.urls import is_remote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from normscope.images.collection import Stream
    from normscope.images.containers.opening import Wanted

KIND = "NumPy archive of numbers"


def open_stream(wanted: Wanted) -> Stream:
    """The images of an ``.npz`` file; names such as ``x_train`` or ``val_images`` tell the split.

    Args:
        wanted: Its path, and an array.

    Returns:
        The images, unread.
    """
    with whole_file(wanted.path, KIND), _opened(wanted.path) as archive:
        variables = [
            _variable(wanted.path, archive, info)
            for info in archive.infolist()
            if info.filename.endswith(".npy")
        ]
    return stream_of(variables, wanted)


@contextmanager
def _opened(path: str) -> Iterator[zipfile.ZipFile]:
    with open_binary(path) as raw, zipfile.ZipFile(raw) as archive:
        yield archive


def _is_mapped(path: str, info: zipfile.ZipInfo) -> bool:
    return info.compress_type == zipfile.ZIP_STORED and not is_remote(path)


def _variable(path: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Variable:
    with archive.open(info) as member:
        shape, _, dtype = _header(member)
        bytes_ = math.prod(shape) * dtype.itemsize
        is_whole = dtype.hasobject or member.tell() + bytes_ <= info.file_size
    refusal = ""
    if not _is_mapped(path, info) and bytes_ > MAX_BYTES:
        refusal = f"must be compressed from at most {MAX_BYTES} bytes, got {bytes_}. "
        refusal += "Save it uncompressed, so that it can be mapped."
        if is_remote(path):
            refusal = f"must have at most {MAX_BYTES} bytes, got {bytes_}. Download it first."
    elif not is_whole:
        raise ValueError(f"{info.filename} is shorter than its header says")
    return Variable(
        path,
        info.filename.removesuffix(".npy"),
        shape,
        dtype,
        load=partial(_load, path, info.filename),
        refusal=refusal,
    )


def _load(path: str, name: str) -> np.ndarray:
    with whole_file(path, KIND), _opened(path) as archive:
        info = archive.getinfo(name)
        if _is_mapped(path, info):
            return _mapped(path, archive, info)
        return _unpacked(archive, info)


def _mapped(path: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(info) as member:
        shape, fortran, dtype = _header(member)
        header = member.tell()
    with Path(path).open("rb") as raw:
        raw.seek(info.header_offset + 26)
        lengths = np.frombuffer(raw.read(4), "<u2")
    offset = info.header_offset + 30 + int(lengths.sum()) + header
    return np.memmap(path, dtype, "r", offset, shape, order="F" if fortran else "C")


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(info) as member:
        shape, fortran, dtype = _header(member)
        bytes_ = math.prod(shape) * dtype.itemsize
        data = member.read(bytes_ + 1)
    if len(data) != bytes_:
        raise ValueError(f"{info.filename} does not have the length that its header says")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(member)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    with READING_HEADERS:
        return read(member)
