"""Encoded images that are handed out as they are met, by a file that is read once and in order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from normscope.images.decode import decode
from normscope.images.pixels import UnreadableImage
from normscope.images.shards import Item, shard_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np

HELD_BYTES = 2**22
"""Of the images in one shard: many for few workers, little for the memory of many."""


class Record(NamedTuple):
    """One encoded image.

    Attributes:
        name: Where it was met.
        data: Its bytes, or why there are none.
        share: How much of the collection has been read with it, from 0 to 1.
    """

    name: str
    data: bytes | UnreadableImage
    share: float


@dataclass(frozen=True)
class HeldShard:
    """Consecutive images with their bytes.

    Attributes:
        start: The position of the first.
        records: The images.
        units: Their share of the collection.
    """

    start: int
    records: tuple[Record, ...]
    units: float

    @property
    def count(self) -> int:
        """How many images there are."""
        return len(self.records)

    def images(self) -> Iterator[Item]:
        """Decode each image.

        Yields:
            Its position, where it was met, and its pixels or why it has none.
        """
        for position, record in enumerate(self.records, self.start):
            yield decoded(position, record.name, record.data)

    def only(self, rows: np.ndarray) -> HeldShard:
        """Some of the images."""
        return replace(self, records=tuple(self.records[row] for row in rows))

    def identity(self) -> str:
        """A digest of the images' names and bytes."""
        digest = hashlib.sha256(str(self.start).encode())
        for name, data, _ in self.records:
            bytes_ = str(data).encode() if isinstance(data, UnreadableImage) else data
            digest.update(repr((name, len(bytes_))).encode())
            digest.update(bytes_)
        return digest.hexdigest()[:32]


def decoded(position: int, name: str, data: bytes | UnreadableImage) -> Item:
    """One image, decoded.

    Args:
        position: Its place in file order.
        name: Where it was met.
        data: Its bytes, or why there are none.

    Returns:
        What a shard yields of it.
    """
    if isinstance(data, UnreadableImage):
        return position, name, data
    try:
        return position, name, decode(data)
    except UnreadableImage as error:
        return position, name, error


def held_shards(records: Iterable[Record], start: int = 0) -> Iterator[HeldShard]:
    """Put neighbours together.

    Args:
        records: The images in order.
        start: The position of the first.

    Yields:
        Shards of bounded size.
    """
    waiting: list[Record] = []
    held, done, index = 0, 0.0, 0
    for record in records:
        size = len(record.data) if isinstance(record.data, bytes) else 0
        if waiting and (len(waiting) >= shard_size(index) or held + size > HELD_BYTES):
            share = waiting[-1].share
            yield HeldShard(start, tuple(waiting), share - done)
            start, index, done = start + len(waiting), index + 1, share
            waiting, held = [], 0
        waiting.append(record)
        held += size
    if waiting:
        yield HeldShard(start, tuple(waiting), waiting[-1].share - done)
