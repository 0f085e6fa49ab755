"""A TIFF's pages, each of which says where the next one lies, up to the last of them.

Some writers leave what happened to be in memory where the last page should say that it is the last.
Readers take the pages before it; so does this one, where no page can have been lost.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from tifffile import TiffFile

from normscope.images.pixels import UnreadableImage

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_TAGS = 4096
"""Of a page; tifffile takes no more."""

WIDTH, LENGTH = 256, 257
"""Tags that every image has (TIFF 6.0, 1992, section 8)."""

WORD_BYTES = 2
"""Pages start at whole words: so many bytes, less one, may stand between two of them."""

LEADS_NOWHERE = (
    "whose last page leads on to no page, as some writers leave it: what is there counts"
)


@dataclass(frozen=True)
class OpenTiff:
    """A TIFF of which each page leads to the next, and the last to nothing.

    Attributes:
        file: The TIFF.
        noticed: As of ``Pixels``.
    """

    file: TiffFile
    noticed: tuple[str, ...] = ()


@contextmanager
def open_chain(source: BinaryIO) -> Iterator[OpenTiff]:
    """Open a TIFF, up to the last page that is one.

    Args:
        source: The file's bytes.

    Yields:
        The open file.

    Raises:
        UnreadableImage: If pages lead back to an earlier one, for ever, or have been cut off.
    """
    with TiffFile(source) as file:
        wrong = _wrong_pointer(file)
        if wrong is None:
            yield OpenTiff(file)
            return
        ended: Any = _Ended(source, wrong, file.tiff.offsetsize)
    source.seek(0)
    with TiffFile(ended) as file:
        yield OpenTiff(file, (LEADS_NOWHERE,))


class _Ended:
    """A file with zeros in one place, which may lie behind its end."""

    def __init__(self, file: BinaryIO, place: int, size: int) -> None:
        self._file, self._place, self._size = file, place, size

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, size: int = -1) -> bytes:
        start = self._file.tell()
        data = self._file.read(size)
        first = self._place - start
        stop = first + self._size
        if first < 0 or first > len(data) or 0 <= size < stop:
            return data
        return data[:first] + bytes(self._size) + data[stop:]


def _wrong_pointer(file: TiffFile) -> int | None:
    """Where the last page says what follows it, if it leads to something that is no page."""
    kind = file.tiff
    offset, place, met = file.pages.first.offset, None, set()
    while offset > 0:
        if offset in met:
            raise UnreadableImage(f"its page {len(met)} leads back to an earlier one")
        codes, pointer = _directory(file, offset)
        if met and not (codes is not None and {WIDTH, LENGTH} <= set(codes)):
            if not _is_cut(file, len(met), offset, within=codes is None):
                return place
            codes = None
        if codes is None:
            # tifffile would take the pages before it for all.
            raise UnreadableImage(f"a TIFF that is cut: its page {len(met)} lies behind its end")
        met.add(offset)
        place = offset + kind.tagnosize + len(codes) * kind.tagsize
        if len(pointer) < kind.offsetsize:
            return place
        (offset,) = struct.unpack(kind.offsetformat, pointer)
    return None


def _directory(file: TiffFile, offset: int) -> tuple[list[int] | None, bytes]:
    """The tags of a page, None where the file ends within them, and the bytes behind them."""
    data, kind = file.filehandle, file.tiff
    if offset >= data.size:
        return None, b""
    data.seek(offset)
    count = data.read(kind.tagnosize)
    if len(count) < kind.tagnosize:
        return None, b""
    (tags,) = struct.unpack(kind.tagnoformat, count)
    if tags > MOST_TAGS:
        return [], b""
    read = data.read(tags * kind.tagsize)
    if len(read) < tags * kind.tagsize:
        return None, b""
    codes = struct.iter_unpack(f"{kind.byteorder}H{kind.tagsize - 2}x", read)
    return [code for (code,) in codes], data.read(kind.offsetsize)


def _is_cut(file: TiffFile, pages: int, offset: int, *, within: bool) -> bool:
    """Whether the page behind some others may have been cut off."""
    # A file that ends with their last byte lacks none, unless it was to begin right there.
    end = max(_end_of(file, index) for index in range(pages))
    behind = file.filehandle.size - end
    if behind < 0:
        return True
    if offset < end or not within:
        return False
    return behind >= WORD_BYTES or offset - end < WORD_BYTES


def _end_of(file: TiffFile, index: int) -> int:
    """Where the last of a page's bytes lies, behind it."""
    # A frame has no tags of its own.
    page: Any = file.pages.get(index, aspage=True, cache=False, validate=False)
    behind = file.tiff.tagnosize + len(page.tags) * file.tiff.tagsize + file.tiff.offsetsize
    values = (tag.valueoffset + tag.valuebytecount for tag in page.tags)
    data = zip(page.dataoffsets, page.databytecounts, strict=False)
    return max(page.offset + behind, *values, *(start + bytes_ for start, bytes_ in data))
