"""A shard of images whose bands lie in files of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from normscope.images.encoded import stamp
from normscope.images.pixels import Pixels, UnreadableImage
from normscope.images.read_image import read_image
from normscope.images.shards import digest
from normscope.images.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from normscope.images.band_stack import BandStack
    from normscope.images.encoded import EncodedImage
    from normscope.images.shards import Item


@dataclass(frozen=True)
class StackShard:
    """Images whose bands lie in files of their own.

    Attributes:
        start: The position of the first in file order.
        stacks: The images, unread.
        units: How many files they are.
    """

    start: int
    stacks: tuple[BandStack, ...]
    units: float

    @property
    def count(self) -> int:
        """How many images there are."""
        return len(self.stacks)

    def images(self) -> Iterator[Item]:
        """Read each image's files, and put their channels together.

        Yields:
            Its position, its first file, and its pixels or why it has none.
        """
        for position, stack in enumerate(self.stacks, self.start):
            try:
                yield position, stack.path, stack.decoded(_read_whole)
            except UnreadableImage as error:
                yield position, stack.path, error

    def only(self, rows: np.ndarray) -> StackShard:
        """Some of the images."""
        return replace(self, stacks=tuple(self.stacks[row] for row in rows))

    def identity(self) -> str | None:
        """A digest of the files' places, sizes and times of change."""
        files = [stamp(part.file) for stack in self.stacks for part in stack.parts]
        return digest("stacks", self.start, self.stacks, files)


def _read_whole(image: EncodedImage) -> Pixels:
    found = read_image(image)
    return found.whole() if isinstance(found, Windows) else found
