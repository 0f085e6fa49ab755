"""Reads IDX files, the format of MNIST, plain or gzipped."""

from __future__ import annotations

import gzip
import io
import math
import zlib
from typing import TYPE_CHECKING

import numpy as np

from normscope.errors import NormscopeError
from normscope.regular_files import open_regular

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 8 * 2**30
UNSIGNED_BYTE = 0x08


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file of unsigned bytes.

    The format is two zero bytes, a type byte, the number of dimensions, each dimension as four
    big-endian bytes, then the data (LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/).

    Args:
        path: A file that ends in ``.gz`` is unpacked while it is read.

    Returns:
        uint8, of the shape that the header gives.

    Raises:
        NormscopeError: If the file is not IDX, holds another type, or is truncated or corrupt.
    """
    try:
        with io.BufferedReader(open_regular(path)) as raw:
            file = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
            shape = _shape(path, file.read(4), file.read)
            expected = math.prod(shape)
            data = file.read(expected + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise NormscopeError(
            f"{path} must be a readable IDX file, got: {error}. Fetch the file again."
        ) from None
    if len(data) != expected:
        met = "more" if len(data) > expected else f"only {len(data)}"
        raise NormscopeError(
            f"{path} must hold {expected} bytes of data, as its header says, got {met}. "
            "Fetch the file again."
        )
    return np.frombuffer(data, np.uint8).reshape(shape)


def _shape(path: Path, magic: bytes, read) -> tuple[int, ...]:
    if len(magic) != 4 or magic[:2] != b"\0\0" or magic[2] != UNSIGNED_BYTE or not magic[3]:
        raise NormscopeError(
            f"{path} must start with the IDX header of unsigned bytes (00 00 08 and the number "
            f"of dimensions), got {magic.hex(' ') or 'an empty file'}. Fetch the file again."
        )
    header = read(4 * magic[3])
    if len(header) != 4 * magic[3]:
        raise NormscopeError(
            f"{path} must hold a size for each of its {magic[3]} dimensions, "
            f"got {len(header)} bytes of header. Fetch the file again."
        )
    shape = tuple(int(size) for size in np.frombuffer(header, ">u4"))
    if math.prod(shape) > MAX_BYTES:
        raise NormscopeError(
            f"{path} must hold at most {MAX_BYTES} bytes, "
            f"got a header that promises {math.prod(shape)}. Fetch the file again."
        )
    return shape
