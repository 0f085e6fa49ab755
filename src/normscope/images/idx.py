"""Reads IDX files, the format of MNIST, plain or gzipped."""

from __future__ import annotations

import gzip
import math
import zlib
from typing import TYPE_CHECKING

import numpy as np

from normscope.errors import NormscopeError
from normscope.images.encoded import open_binary
from normscope.wording import counted

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 8 * 2**30
UNSIGNED_BYTE = 0x08

MOST_DIMENSIONS = 8
"""Images have two to five."""


def read_idx(path: str | Path) -> np.ndarray:
    """Read an IDX file of unsigned bytes.

    The format is two zero bytes, a type byte, the number of dimensions, each dimension as four
    big-endian bytes, then the data (LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/).

    Args:
        path: Or URL; a file that ends in ``.gz`` is unpacked while it is read.

    Returns:
        uint8, of the shape that the header gives.

    Raises:
        NormscopeError: If the file is not IDX, holds another type, or is truncated or corrupt.
    """
    try:
        is_packed = str(path).endswith(".gz")
        with open_binary(str(path)) as raw, gzip.open(raw) if is_packed else raw as file:
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
            f"{path} must hold {counted(expected, 'byte')} of data, as its header says, got {met}. "
            "Fetch the file again."
        )
    return np.frombuffer(data, np.uint8).reshape(shape)


def _shape(path: str | Path, magic: bytes, read) -> tuple[int, ...]:
    if len(magic) != 4 or magic[:2] != b"\0\0" or magic[2] != UNSIGNED_BYTE or not magic[3]:
        raise NormscopeError(
            f"{path} must start with the IDX header of unsigned bytes (00 00 08 and the number "
            f"of dimensions), got {magic.hex(' ') or 'an empty file'}. Fetch the file again."
        )
    if magic[3] > MOST_DIMENSIONS:
        raise NormscopeError(
            f"{path} must have at most {MOST_DIMENSIONS} dimensions, got a header that promises "
            f"{magic[3]}. Fetch the file again."
        )
    header = read(4 * magic[3])
    if len(header) != 4 * magic[3]:
        raise NormscopeError(
            f"{path} must hold a size for each of its {counted(magic[3], 'dimension')}, "
            f"got {len(header)} bytes of header. Fetch the file again."
        )
    shape = tuple(int(size) for size in np.frombuffer(header, ">u4"))
    # NumPy bounds the other axes of an array of no images too.
    if math.prod(size for size in shape if size) > MAX_BYTES:
        raise NormscopeError(
            f"{path} must hold at most {MAX_BYTES} bytes, "
            f"got a header that promises {' x '.join(map(str, shape))}. Fetch the file again."
        )
    return shape
