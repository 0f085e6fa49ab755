"""Encoded images, met one after another, put into shards."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from normscope.images.encoded import size_of
from normscope.images.shards import EncodedShard, shard_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from normscope.images.encoded import EncodedImage

HELD_BYTES = 2**22
"""Of the encoded images that a shard brings along."""


def encoded_shards(images: Iterable[EncodedImage], start: int = 0) -> Iterator[EncodedShard]:
    """Put neighbours of one archive, or of none, together.

    Args:
        images: In order.
        start: The position of the first.

    Yields:
        Shards of bounded size.
    """
    index = 0
    for archive, group in groupby(images, lambda image: image.archive):
        size = 0 if archive is None else size_of(archive)
        done = 0
        waiting: list[EncodedImage] = []
        held = 0
        for image in group:
            if len(waiting) >= shard_size(index) or held > HELD_BYTES:
                units = (image.offset - done) / size if size else len(waiting)
                yield EncodedShard.of(start, waiting, units)
                start, index, waiting, done = start + len(waiting), index + 1, [], image.offset
                held = 0
            waiting.append(image)
            held += len(image.data or b"")
        units = (size - done) / size if size else len(waiting)
        yield EncodedShard.of(start, waiting, units)
        start, index = start + len(waiting), index + 1
