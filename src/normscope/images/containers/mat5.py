"""The numeric arrays of a MAT-file of version 5, by the format's own description.

SciPy's reader is not used: it ends the whole process by a segmentation fault where a bit of a tag
is wrong (1.17), and unpacks all of an array that could be mapped.

Source: MATLAB MAT-File Format, The MathWorks, 2024, chapter 1.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from normscope.images.encoded import open_binary, size_of
from normscope.images.urls import is_remote
from normscope.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = 128
MATRIX, COMPRESSED = 14, 15
STORED = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
"""Types of data elements."""

CLASSES = {
    6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8",
}  # fmt: skip
"""Classes of arrays of numbers; their data may be stored in a smaller type."""

COMPLEX, LOGICAL = 0x0800, 0x0200
HEAD_BYTES = 2**16
"""An array's flags, lengths and name are no longer."""

MOST_AXES = 32
PADDING = 8
"""Elements end at multiples of so many bytes."""


class Tag(NamedTuple):
    """What stands before a data element.

    Attributes:
        kind: Its type.
        size: Its length in bytes.
        start: Where they begin.
        stop: Where the next element begins.
    """

    kind: int
    size: int
    start: int
    stop: int


@dataclass(frozen=True)
class Mat5Array:
    """An array in a file.

    Attributes:
        path: The file.
        name: The variable's.
        shape: In MATLAB's order.
        dtype: Of its class; objects where it is none of numbers.
        stored: The type that its data are stored in.
        start: Where its element's bytes begin.
        size: How long the element is.
        offset: Where its data begin in the element, unpacked.
        packed: Whether the element is compressed.
    """

    path: str
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    stored: np.dtype
    start: int
    size: int
    offset: int
    packed: bool

    @property
    def unpacked_bytes(self) -> int:
        """What must be in memory once it is loaded; nothing where it is mapped."""
        as_is = not self.packed and self.stored == self.dtype.newbyteorder(self.stored.byteorder)
        mapped = as_is and not is_remote(self.path)
        return 0 if mapped else math.prod(self.shape) * self.dtype.itemsize

    def load(self) -> np.ndarray:
        """The array.

        Returns:
            All of it, mapped where it is stored as it is.

        Raises:
            ValueError: If the file is cut.
        """
        count = math.prod(self.shape)
        if not self.packed and not is_remote(self.path):
            if self.start + self.offset + count * self.stored.itemsize > size_of(self.path):
                raise ValueError(f"the file ends within {self.name}")
            flat = np.memmap(self.path, self.stored, "r", self.start + self.offset, (count,))
        else:
            with open_binary(self.path) as file:
                file.seek(self.start)
                data = file.read(self.size)
            end = self.offset + count * self.stored.itemsize
            unpacked = _unpacked(data, end) if self.packed else data
            flat = np.frombuffer(unpacked, self.stored, count, self.offset)
        array = flat.reshape(self.shape, order="F")
        return array if not self.unpacked_bytes else array.astype(self.dtype)


def arrays_of(path: str) -> Iterator[Mat5Array]:
    """Every array of a file, by its header.

    Args:
        path: The file's.

    Yields:
        The arrays in the file's order.

    Raises:
        ValueError: If it is no file of version 5, or damaged.
    """
    end = size_of(path)
    with open_binary(path) as file:
        order = {b"IM": "<", b"MI": ">"}.get(file.read(HEADER)[126:128])
        if order is None:
            raise ValueError("neither version 5 nor 7.3 of MATLAB's format")
        at = HEADER
        while at < end:
            file.seek(at)
            tag = _tag(file.read(8), 0, order)
            start, size = at + 8, tag.size
            if start + size > end or tag.kind not in {MATRIX, COMPRESSED}:
                raise ValueError(
                    f"an element of type {tag.kind} and {counted(size, 'byte')} at byte {at}"
                )
            head = file.read(min(size, HEAD_BYTES))
            packed = tag.kind == COMPRESSED
            if packed:
                head = _unpacked(head, HEAD_BYTES, cut=True)[8:]
            found = _array(head, order)
            if found is not None:
                name, shape, dtype, stored, offset = found
                offset += 8 if packed else 0
                yield Mat5Array(path, name, shape, dtype, stored, start, size, offset, packed)
            at = start + size


def _array(head: bytes, order: str) -> tuple[str, tuple[int, ...], np.dtype, np.dtype, int] | None:
    flags = _tag(head, 0, order)
    lengths = _tag(head, flags.stop, order)
    name = _tag(head, lengths.stop, order)
    if flags.size < 8 or lengths.size > 4 * MOST_AXES or name.start + name.size > len(head):
        raise ValueError("an array without a header")
    word = int(np.frombuffer(head, f"{order}u4", 1, flags.start)[0])
    kind = word & 0xFF
    shape = tuple(np.frombuffer(head, f"{order}i4", lengths.size // 4, lengths.start).tolist())
    if min(shape, default=0) < 0:
        raise ValueError(f"an array of the shape {shape}")
    called = head[name.start : name.start + name.size].decode("latin-1")
    if not called:
        # What MATLAB keeps of its own.
        return None
    other = called, shape, np.dtype(object), np.dtype(object), 0
    if kind not in CLASSES or word & COMPLEX or 0 in shape:
        return other
    data = _tag(head, name.stop, order)
    stored = np.dtype(order + STORED.get(data.kind, "V"))
    if data.size != math.prod(shape) * stored.itemsize:
        raise ValueError(f"{called} of {counted(data.size, 'byte')}, unlike its shape says")
    dtype = np.dtype(bool if word & LOGICAL else CLASSES[kind])
    return called, shape, dtype, stored, data.start


def _tag(data: bytes, at: int, order: str) -> Tag:
    if len(data) < at + 8:
        raise ValueError("a header that is cut")
    kind, size = np.frombuffer(data, f"{order}u4", 2, at).tolist()
    if kind >> 16:
        # Up to four bytes stand beside their own tag.
        return Tag(kind & 0xFFFF, kind >> 16, at + 4, at + 8)
    return Tag(kind, size, at + 8, at + 8 + size + -size % 8)


def _unpacked(data: bytes, most: int, *, cut: bool = False) -> bytes:
    stream = zlib.decompressobj()
    if cut:
        return stream.decompress(data, most)
    # To the end of what is packed, padding and all, where its checksum is.
    unpacked = stream.decompress(data, most + PADDING)
    if len(unpacked) < most:
        raise ValueError("a compressed array that is cut")
    if not stream.eof:
        raise ValueError("a compressed array that is damaged")
    return unpacked
