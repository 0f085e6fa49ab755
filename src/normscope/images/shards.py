"""A collection in pieces that one worker reads each: files, archive members or array rows."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from normscope.images.archive import LINK
from normscope.images.decode import decode
from normscope.images.pixels import Pixels, UnreadableImage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_FILE_BYTES = 2**31
"""A larger file is no single image that could be decoded within its bounds."""


Item = tuple[int, str, Pixels | UnreadableImage]
"""The position in file order, the name or nothing, and the pixels or why there are none."""


class Shard(Protocol):
    """Consecutive images of a collection, which any process can read."""

    @property
    def start(self) -> int:
        """The position of its first image in file order."""
        ...

    @property
    def count(self) -> int:
        """How many images it has, readable or not."""
        ...

    @property
    def units(self) -> float:
        """Its share of the collection's total, for progress."""
        ...

    def images(self) -> Iterator[Item]:
        """Its images in order."""
        ...

    def identity(self) -> str | None:
        """A digest of what would be read, or None where that cannot be told."""
        ...


@dataclass(frozen=True)
class FileShard:
    """Image files.

    Attributes:
        start: The position of the first in file order.
        paths: Where they lie.
        units: As many as there are files.
    """

    start: int
    paths: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many files there are."""
        return len(self.paths)

    @property
    def units(self) -> float:
        """As many as there are files."""
        return len(self.paths)

    def images(self) -> Iterator[Item]:
        """Read and decode each file.

        Yields:
            Its position, name, and pixels or why it has none.
        """
        for position, path in enumerate(self.paths, self.start):
            yield position, path, _decoded(_file_bytes, path)

    def identity(self) -> str | None:
        """A digest of the paths with their sizes and times of change."""
        return _digest("files", self.start, [(path, _stamp(path)) for path in self.paths])


@dataclass(frozen=True)
class TarShard:
    """Images in a tar archive.

    Attributes:
        start: The position of the first in file order.
        archive: The archive's path.
        names: Their paths inside it, joined by NUL: a third of the size of a tuple.
        extents: int64, shape ``(N, 2)``: where each starts and how long it is.
        units: Their share of the archive's bytes.
    """

    start: int
    archive: str
    names: str
    extents: np.ndarray
    units: float

    @property
    def count(self) -> int:
        """How many members there are."""
        return len(self.extents)

    def images(self) -> Iterator[Item]:
        """Read and decode each member.

        Yields:
            Its position, name, and pixels or why it has none.
        """
        with open(self.archive, "rb") as file:  # noqa: PTH123
            for index, name in enumerate(self.names.split("\0")):
                offset, size = self.extents[index].tolist()

                def read(_: str, offset: int = offset, size: int = size) -> bytes:
                    if size == LINK:
                        raise UnreadableImage("a link inside an archive, which is not followed")
                    _check_bytes(size)
                    file.seek(offset)
                    return file.read(size)

                yield self.start + index, f"{self.archive}/{name}", _decoded(read, name)

    def identity(self) -> str | None:
        """A digest of the archive's path, size and time of change, and of the members."""
        extents = self.extents.tolist()
        return _digest("tar", self.start, self.archive, _stamp(self.archive), self.names, extents)


@dataclass(frozen=True)
class ArrayShard:
    """Rows of an array, in memory or mapped from a file.

    Attributes:
        start: The position of the first in file order.
        pixels: Shape ``(N, C, H, W)``.
        valid: Which of them count, of a shape that broadcasts to ``pixels``, or None for all.
        origin: What the array is a part of, where a file says so: its path, size and time.
    """

    start: int
    pixels: np.ndarray
    valid: np.ndarray | None = None
    origin: tuple[Any, ...] | None = None

    @property
    def count(self) -> int:
        """How many images there are."""
        return len(self.pixels)

    @property
    def units(self) -> float:
        """As many as there are images."""
        return len(self.pixels)

    def images(self) -> Iterator[Item]:
        """All of them at once.

        Yields:
            The position of the first, no name, and the pixels.
        """
        yield self.start, "", Pixels(self.pixels, self.valid)

    def identity(self) -> str | None:
        """A digest of the origin, or of the pixels themselves."""
        if self.origin is not None:
            return _digest("array", self.start, self.pixels.shape, self.origin)
        if self.valid is not None:
            return None
        digest = hashlib.sha256(repr((self.start, self.pixels.shape, self.pixels.dtype)).encode())
        digest.update(np.ascontiguousarray(self.pixels).data)
        return digest.hexdigest()[:32]


@dataclass(frozen=True)
class SkippedShard:
    """One item of an iterable that is no image.

    Attributes:
        start: Its position.
        reason: Why it was skipped.
        count: One.
        units: One.
    """

    start: int
    reason: UnreadableImage
    count: int = 1
    units: float = 1

    def images(self) -> Iterator[Item]:
        """The one item.

        Yields:
            Its position, no name, and why it has no pixels.
        """
        yield self.start, "", self.reason

    def identity(self) -> str | None:
        """Unknown: what an iterable will yield cannot be told.

        Returns:
            None.
        """
        return None


def shard_size(index: int) -> int:
    """How many files the shard of this index holds.

    Small shards first, so that few images still share out over many workers; large ones later, so
    that many images make few shards. It depends on nothing else, so that a run that is resumed
    with other workers finds the same shards.

    Args:
        index: From 0.

    Returns:
        A number of files.

    Example:
        >>> [shard_size(index) for index in (0, 64, 128, 192)]
        [32, 64, 128, 1024]
    """
    return (32, 64, 128, 1024)[min(index // 64, 3)]


def _decoded(read: Callable[[str], bytes], name: str) -> Pixels | UnreadableImage:
    try:
        return decode(read(name))
    except UnreadableImage as error:
        return error
    except OSError as error:
        return UnreadableImage(error.strerror or str(error))


def _file_bytes(path: str) -> bytes:
    # Unbuffered: the whole file is read at once.
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        _check_bytes(os.fstat(file.fileno()).st_size)
        return file.read()


def _check_bytes(size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise UnreadableImage(f"a file of {size} bytes is too large")


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _digest(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
