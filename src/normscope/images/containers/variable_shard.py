"""Some images of a variable, which any process can read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from normscope.images.containers.image_array import READ_BYTES, ImageArray
from normscope.images.pixels import UnreadableImage
from normscope.images.shards import digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from normscope.images.shards import Item


@dataclass(frozen=True)
class VariableShard:
    """Images of a variable, which is opened where they are read.

    Attributes:
        start: The position of the first in file order.
        array: What they are images of.
        which: Which of its images: a range to be read at once, or some by their indices.
        origin: What tells that the file has changed, or None where that cannot be told.
    """

    start: int
    array: ImageArray
    which: range | tuple[int, ...]
    origin: tuple[Any, ...] | None

    @property
    def count(self) -> int:
        """How many images there are."""
        return len(self.which)

    @property
    def units(self) -> float:
        """As many as there are images."""
        return len(self.which)

    def images(self) -> Iterator[Item]:
        """Read the images; where that fails, one by one, so that a bad chunk costs its own alone.

        Yields:
            The position of the first of some images and their pixels, or the position and name of
            one that cannot be read, and why.
        """
        if isinstance(self.which, range):
            try:
                parts = self.array.read(self.which)
            except UnreadableImage:
                pass
            else:
                step, position = max(1, READ_BYTES // self.array.image_bytes), self.start
                for pixels in parts:
                    for at in range(0, len(pixels.values), step):
                        yield position + at, "", pixels.images(at, at + step)
                    position += len(pixels.values)
                return
        for position, index in enumerate(self.which, self.start):
            try:
                yield position, "", self.array.read(range(index, index + 1))[0]
            except UnreadableImage as error:
                yield position, f"{self.array.variable.label}[{index}]", error

    def only(self, rows: np.ndarray) -> VariableShard:
        """Some of the images."""
        return replace(self, which=tuple(self.which[row] for row in rows.tolist()))

    def identity(self) -> str | None:
        """A digest of which images these are, and of the file's size and time of change."""
        if self.origin is None:
            return None
        array = self.array
        return digest(
            "variable", self.start, self.which, self.origin, array.variable.label,
            array.variable.shape, array.axes,
        )  # fmt: skip
