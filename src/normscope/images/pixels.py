"""The pixels of images, and which of them count."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from normscope.errors import PrintableError
from normscope.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

MAX_PIXELS = 200_000_000
"""Larger images are refused unread: a few bytes can promise more pixels than memory holds."""

TOO_LARGE = "pixels is too large: cut it into tiles, or for statistics make a TIFF of it"
"""What is said of them; statistics read a TIFF in parts."""


MAX_BYTES = 2**30
"""Of what a file unpacks to: a header of a few bytes can claim terabytes."""


class UnreadableImage(PrintableError):
    """An image that cannot be decoded; its text is the reason."""


APPLIED = "which are applied"
"""How what is said of a header's slope and offset ends, before a unit."""

SEVERAL_PAGES = "with several pages of one kind: all of them count"
ALPHA_MASKED = "with an alpha channel: fully transparent pixels do not count (--alpha changes it)"
ALPHA_KEPT = (
    "with a last band that is tagged as alpha, as writers of satellite images tag any fourth band: "
    "it counts as a channel (--alpha changes it)"
)
ALIKE = (
    "Slices and frames of one scan or film are alike: the standard errors, which take images for "
    "independent, are too small."
)
PARTS = ": each counts as an image"
"""At the end of a notice of images that are parts of one file."""

AXES = "of arrays whose axes are read as "
"""The start of a notice of what the axes of NumPy files are, if that was guessed."""

UNIT = ": values are in "
"""What stands before the unit in a notice of the header's unit, at its end."""


@dataclass(frozen=True)
class Pixels:
    """Decoded images of one shape.

    Attributes:
        values: Shape ``(N, C, H, W)``; one encoded image has N = 1.
        valid: bool, of a shape that broadcasts to ``values``: which pixels count. None for all.
        alpha: The channel that was taken for alpha, shape ``(N, 1, H, W)``, or None.
        noticed: What a reader should know of them, as the end of a sentence on images.
        names: Of the channels, where the file says them.
        most: The largest value that the format has, where the type holds more; None otherwise.
        series: The DICOM series that they belong to, or nothing.
        window: The least and the greatest value that a DICOM header's first window shows, or None.
        nan: How many values would count if they were not NaN; 0 before they are prepared.
    """

    values: np.ndarray
    valid: np.ndarray | None = None
    alpha: np.ndarray | None = None
    noticed: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    most: int | None = None
    series: str = ""
    window: tuple[float, float] | None = None
    nan: int = 0

    def image(self, index: int) -> Pixels:
        """One of the images.

        Args:
            index: Which, from 0.

        Returns:
            A view of it, with N = 1.
        """
        return self.images(index, index + 1)

    def images(self, start: int, stop: int) -> Pixels:
        """Some of the images, one after another.

        Args:
            start: The first, from 0.
            stop: The one behind the last.

        Returns:
            A view of them.
        """
        valid = self.valid
        if valid is not None and len(valid) > 1:
            valid = valid[start:stop]
        alpha = None if self.alpha is None else self.alpha[start:stop]
        values = self.values[start:stop]
        return replace(self, values=values, valid=valid, alpha=alpha)


def noticed_of(noticed: Mapping[str, int]) -> list[str]:
    """What a reader should know of images, as sentences.

    Args:
        noticed: How many images have each, as of ``Pixels``.

    Returns:
        The sentences, in the order of their words.

    Example:
        >>> noticed_of({"that are frames of one file: each counts as an image": 12})
        ['12 images that are frames of one file: each counts as an image.']
    """
    return [f"{counted(count, 'image')} {what}." for what, count in sorted(noticed.items())]


def check_size(height: int, width: int) -> None:
    """Refuse an image that promises too many pixels, or none.

    Args:
        height: In pixels.
        width: In pixels.

    Raises:
        UnreadableImage: If it is too large or empty.
    """
    if height * width > MAX_PIXELS:
        raise UnreadableImage(f"{width} x {height} {TOO_LARGE}")
    if height * width == 0:
        raise UnreadableImage(f"{width} x {height} pixels is not an image")


def check_bytes(bytes_: int) -> None:
    """Refuse an image that promises too many bytes.

    Args:
        bytes_: Of its pixels, unpacked.

    Raises:
        UnreadableImage: If there are more than ``MAX_BYTES``.
    """
    if bytes_ > MAX_BYTES:
        raise UnreadableImage(f"{bytes_} bytes of pixels is too large")


def split_alpha(pixels: np.ndarray) -> Pixels:
    """Take the last channel for alpha: where it is 0, no channel of the pixel counts.

    Args:
        pixels: Shape ``(C + 1, H, W)``.

    Returns:
        One image of C channels.
    """
    alpha = pixels[None, -1:]
    visible = alpha != 0
    valid = None if visible.all() else visible
    return Pixels(pixels[None, :-1], valid, alpha, (ALPHA_MASKED,))


def in_native_type(values: np.ndarray) -> np.ndarray:
    """Pixels of a type that is summed and trained on: in native order, of 32 or 64 bits if floats.

    Args:
        values: Integers or floats.

    Returns:
        The same values, or the nearest floats of 64 bits to longer ones.
    """
    import numpy as np

    dtype = values.dtype.newbyteorder("=")
    if dtype == np.float16:
        dtype = np.dtype(np.float32)
    elif dtype.itemsize > 8:
        dtype = np.dtype(np.float64)
    return values.astype(dtype, copy=False)
