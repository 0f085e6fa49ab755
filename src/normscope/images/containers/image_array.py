"""A variable seen as images, read some at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from normscope.errors import NormscopeError
from normscope.images.arrays import as_images, most_of
from normscope.images.pixels import MAX_BYTES, MAX_PIXELS, UnreadableImage
from normscope.wording import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from normscope.images.containers.variable import Box, Variable
    from normscope.images.pixels import Pixels

READ_BYTES = 2**24
"""Images are read up to this size at a time: smaller reads cost more than what they hold,"""

CHUNKED_BYTES = 2**26
"""or up to this one where chunks span so many, so that each chunk is decoded once."""


@dataclass(frozen=True)
class ImageArray:
    """A variable whose axes are known.

    Attributes:
        variable: The array.
        axes: A letter for each of its axes: H, W, perhaps C, and N for any number of others, of
            which the last runs fastest from image to image.
    """

    variable: Variable
    axes: str

    def __len__(self) -> int:
        return math.prod(self.counts)

    @property
    def counts(self) -> tuple[int, ...]:
        """The lengths of the axes along which images are counted."""
        return tuple(self.variable.shape[axis] for axis in self._image_axes)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        shape = dict(zip(self.axes, self.variable.shape, strict=True))
        return shape.get("C", 1), shape["H"], shape["W"]

    @property
    def image_bytes(self) -> int:
        """Of one image as it is stored."""
        return math.prod(self.image_shape) * self.variable.dtype.itemsize

    @property
    def _image_axes(self) -> list[int]:
        return [axis for axis, letter in enumerate(self.axes) if letter == "N"]

    def check(self) -> None:
        """Refuse images that are too large to be read whole.

        Raises:
            NormscopeError: If one has too many pixels or bytes.
        """
        channels, height, width = self.image_shape
        if height * width > MAX_PIXELS or self.image_bytes > MAX_BYTES:
            raise NormscopeError(
                f"{self.variable.label} must hold images of at most {MAX_PIXELS} pixels and "
                f"{MAX_BYTES} bytes, got {width} x {height} pixels of {channels} channels, "
                f"{self.image_bytes} bytes. Cut them into tiles, or say by --layout which axes "
                "are which."
            )

    def reads(self) -> Iterator[range]:
        """Which images are best read together: whole chunks of a bounded size.

        Yields:
            Ranges of images, one after another.
        """
        counts = self.counts or (1,)
        chunks = [1] * len(counts)
        if self.variable.chunks and self.counts:
            chunks = [self.variable.chunks[axis] for axis in self._image_axes]
        few, many = (max(1, size // self.image_bytes) for size in (READ_BYTES, CHUNKED_BYTES))
        whole, axis = 1, len(counts) - 1
        while axis and whole * counts[axis] <= (many if max(chunks[:axis]) > 1 else few):
            whole *= counts[axis]
            axis -= 1
        step, chunk = max(1, few // whole), min(chunks[axis], counts[axis])
        if step >= chunk:
            step -= step % chunk
        elif chunk * whole <= many:
            step = chunk
        for outer in range(math.prod(counts[:axis])):
            for at in range(0, counts[axis], step):
                first = (outer * counts[axis] + at) * whole
                yield range(first, first + min(step, counts[axis] - at) * whole)

    def read(self, which: range) -> list[Pixels]:
        """Read images.

        Args:
            which: One of ``reads``, or a single image.

        Returns:
            Their pixels, those together of which the same is to be said.

        Raises:
            NormscopeError: If the file holds no numbers after all.
            UnreadableImage: If they cannot be read.
        """
        variable = self.variable
        box = self._box(which)
        assert variable.read is not None
        try:
            stored = np.asarray(variable.read(box))
        except NormscopeError:
            raise
        except FileNotFoundError:
            raise UnreadableImage("No such file or directory") from None
        except Exception as error:  # noqa: BLE001 - what each format's library raises is its own
            raise UnreadableImage(f"cannot be read from the file: {first_line(error)}") from None
        if stored.shape != tuple(part.stop - part.start for part in box):
            raise UnreadableImage(f"a part of the shape {stored.shape}, unlike its header says")
        unpacked = variable.packing.unpacked(self.arranged(stored))
        most = most_of(variable.dtype)
        return [replace(part, most=most) for part in unpacked] if most else unpacked

    def arranged(self, stored: np.ndarray) -> np.ndarray:
        """The images of a part of the array.

        Args:
            stored: Of the array's axes, whole but along those of images.

        Returns:
            What is stored of them, shape ``(N, C, H, W)``, as a view where that can be.
        """
        order = [axis for letter in "NCHW" for axis, a in enumerate(self.axes) if a == letter]
        images = stored.transpose(order).reshape(-1, *self.image_shape)
        return as_images(images, self.variable.label, "NCHW")

    def _box(self, which: range) -> Box:
        # Down to the axis that the images run along, one index; then a stretch of it; then all.
        box = [slice(0, size) for size in self.variable.shape]
        inner, left = len(self), which.start
        for axis, size in zip(self._image_axes, self.counts, strict=True):
            inner //= size
            at, left = divmod(left, inner)
            box[axis] = slice(at, at + max(1, len(which) // inner))
            if len(which) >= inner:
                break
        return tuple(box)
