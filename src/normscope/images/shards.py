"""A collection in pieces that one worker reads each: files, archive members or array rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from normscope.images.encoded import EncodedImage, Packing, stamp
from normscope.images.pixels import Pixels, UnreadableImage
from normscope.images.read_image import read_image
from normscope.images.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Item = tuple[int, str, Pixels | Windows | UnreadableImage]
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

    def only(self, rows: np.ndarray) -> Shard:
        """Some of its images, by their positions in it."""
        ...

    def identity(self) -> str | None:
        """A digest of what would be read, or None where that cannot be told."""
        ...


@dataclass(frozen=True)
class EncodedShard:
    """Image files, or images of one archive.

    Attributes:
        start: The position of the first in file order.
        archive: The archive that they lie in, or None for files.
        names: What `EncodedImage` calls them, joined by NUL: a third of the size of a tuple.
        extents: int64, shape ``(N, 2)``: where each starts in the archive and how long it is; of
            a zip archive ``(N, 5)``, with how each is packed.
        units: How many files they are, or which share of the archive.
        held: Their bytes, where they can be read no more, or None.
    """

    start: int
    archive: str | None
    names: str
    extents: np.ndarray
    units: float
    held: tuple[bytes | None, ...] | None = None

    @classmethod
    def of(cls, start: int, images: Sequence[EncodedImage], units: float) -> EncodedShard:
        """The images, all of one archive or of none.

        Args:
            start: The position of the first in file order.
            images: At least one.
            units: Their share of the collection's total.

        Returns:
            The shard.
        """
        extents = [(image.offset, image.size, *(image.packing or ())) for image in images]
        names = "\0".join(image.name.replace("\0", "\\0") for image in images)
        held = tuple(image.data for image in images)
        return cls(
            start, images[0].archive, names, np.array(extents, np.int64), units,
            held if any(data is not None for data in held) else None,
        )  # fmt: skip

    @property
    def count(self) -> int:
        """How many images there are."""
        return len(self.extents)

    @property
    def encoded(self) -> list[EncodedImage]:
        """The images, unread."""
        held = self.held or (None,) * self.count
        return [
            EncodedImage(
                name, self.archive, offset, size,
                packing=Packing(*packing) if packing else None, data=data,
            )
            for name, (offset, size, *packing), data in zip(
                self.names.split("\0"), self.extents.tolist(), held, strict=True
            )
        ]  # fmt: skip

    def images(self) -> Iterator[Item]:
        """Read and decode each image.

        Yields:
            Its position, its path, and its pixels or why it has none.
        """
        for position, image in enumerate(self.encoded, self.start):
            try:
                yield position, image.path, read_image(image)
            except UnreadableImage as error:
                yield position, image.path, error

    def only(self, rows: np.ndarray) -> EncodedShard:
        """Some of the images."""
        images = self.encoded
        return self.of(self.start, [images[row] for row in rows], self.units)

    def identity(self) -> str | None:
        """A digest of the images' places, and of their files' sizes and times of change."""
        stamps = [stamp(file) for file in dict.fromkeys(image.file for image in self.encoded)]
        extents = self.extents.tolist()
        if self.held is not None and self.archive is None:
            stamps = [hashlib.sha256(data or b"").hexdigest() for data in self.held]
        return digest("encoded", self.start, self.archive, self.names, extents, stamps)


@dataclass(frozen=True)
class ArrayShard:
    """Rows of an array, in memory or mapped from a file.

    Attributes:
        start: The position of the first in file order.
        pixels: Shape ``(N, C, H, W)``.
        valid: Which of them count, of a shape that broadcasts to ``pixels``, or None for all.
        origin: What the array is a part of, where a file says so: its path, size and time.
        alpha: The channel that was taken for alpha, as of ``Pixels``.
        noticed: What a reader should know of them, as of ``Pixels``.
        most: The largest value that the format has, as of ``Pixels``.
    """

    start: int
    pixels: np.ndarray
    valid: np.ndarray | None = None
    origin: tuple[Any, ...] | None = None
    alpha: np.ndarray | None = None
    noticed: tuple[str, ...] = ()
    most: int | None = None

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
        yield (
            self.start,
            "",
            Pixels(self.pixels, self.valid, self.alpha, self.noticed, most=self.most),
        )

    def only(self, rows: np.ndarray) -> ArrayShard:
        """Some of the rows."""
        valid = self.valid
        if valid is not None and len(valid) > 1:
            valid = valid[rows]
        alpha = None if self.alpha is None else self.alpha[rows]
        return replace(self, pixels=self.pixels[rows], valid=valid, alpha=alpha, origin=None)

    def identity(self) -> str | None:
        """A digest of the origin, or of the pixels themselves."""
        if self.origin is not None:
            return digest("array", self.start, self.pixels.shape, self.origin)
        if self.valid is not None:
            return None
        found = hashlib.sha256(repr((self.start, self.pixels.shape, self.pixels.dtype)).encode())
        found.update(np.ascontiguousarray(self.pixels).data)
        return found.hexdigest()[:32]


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

    def only(self, rows: np.ndarray) -> SkippedShard:  # noqa: ARG002
        """The one item.

        Returns:
            Itself.
        """
        return self

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


def digest(*parts: Any) -> str:
    """A digest of what a shard is made of.

    Args:
        parts: Plain values.

    Returns:
        32 hexadecimal digits.
    """
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
