"""An encoded image as the network's images that it holds, and what is counted of each."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from normscope.errors import NormscopeError
from normscope.images.luma import with_channels
from normscope.images.pixels import UnreadableImage, in_native_type
from normscope.wording import counted

if TYPE_CHECKING:
    from normscope.images.pixels import Pixels
    from normscope.images.transform import ImageTransform

COLOURS = 3
VALUES = 256


@dataclass(frozen=True)
class Frame:
    """One image as a network is shown it.

    Attributes:
        pixels: Shape ``(C, H, W)``.
        valid: Which of them count in statistics, of a shape that broadcasts to it; None for all.
        histogram: Of bytes, how often each value occurs, int64 of shape ``(C, 256)``; else None.
        most: As of ``Pixels``.
        noticed: As there, of an image that is one of several in its file.
    """

    pixels: np.ndarray
    valid: np.ndarray | None
    histogram: np.ndarray | None
    most: int | None
    noticed: tuple[str, ...] = ()

    def counted(self, before: np.ndarray | None, channels: int) -> np.ndarray | None:
        """The histogram of some images and of this one, for types that few values have.

        Args:
            before: Theirs, int64 of shape ``(channels, values)``, which may change; None without
                any.
            channels: How many channels all images have; a grey one has as many equal ones.

        Returns:
            Theirs and its own; None of wider types, whose moments no histogram determines.
        """
        if self.histogram is not None:
            own = np.broadcast_to(self.histogram, (channels, VALUES))
            return own.copy() if before is None else before + own
        dtype = self.pixels.dtype
        if dtype.kind not in "iu" or dtype.itemsize > 2:
            return None
        values = 2 ** (8 * dtype.itemsize)
        histogram = np.zeros((channels, values), np.int64) if before is None else before
        for channel in range(channels):
            pixels = self.pixels[min(channel, len(self.pixels) - 1)]
            if self.valid is not None:
                pixels = pixels[self.valid[min(channel, len(self.valid) - 1)]]
            order = pixels.reshape(-1).astype(np.int64) - np.iinfo(dtype).min
            if order.size < values:
                np.add.at(histogram[channel], order, 1)
            else:
                histogram[channel] += np.bincount(order, minlength=values)
        return histogram


def frames_of(decoded: Pixels, transform: ImageTransform) -> list[Frame]:
    """Do to an image what is done to every image.

    Args:
        decoded: As ``decode_for_networks`` gives it.
        transform: What is done.

    Returns:
        One image; of a volume, of frames or of a NumPy file each of theirs.

    Raises:
        UnreadableImage: If it cannot be shown to a network.
    """
    from normscope.images.resizing import resized

    values, valid = with_channels(in_native_type(decoded.values), decoded.valid, transform.channels)
    height, width = values.shape[2:]
    if transform.crop and not transform.resize and min(height, width) < transform.crop:
        raise UnreadableImage(
            f"{width} x {height} pixels is smaller than the crop of {transform.crop}"
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise UnreadableImage(
            "pixels that are infinite or not a number, of which a network learns nothing"
        )
    if valid is not None and (values.dtype.kind == "f" or values.dtype.itemsize > 2):
        raise UnreadableImage(
            f"{values.dtype} pixels that do not count (nodata), which a network would be shown"
        )
    if transform.resize or transform.crop:
        values, valid = resized(values, valid, transform.resize, transform.crop)
    if valid is not None:
        valid = np.broadcast_to(valid, (len(values), *valid.shape[1:]))
    noticed = decoded.noticed if len(values) > 1 else ()
    return [
        replace(
            _frame(image, None if valid is None else valid[index], decoded.most), noticed=noticed
        )
        for index, image in enumerate(values)
    ]


def _frame(pixels: np.ndarray, valid: np.ndarray | None, most: int | None) -> Frame:
    if pixels.dtype != np.uint8:
        return Frame(pixels, valid, None, most)
    counts = [
        _counts(channel, None if valid is None else valid[min(index, len(valid) - 1)])
        for index, channel in enumerate(pixels)
    ]
    return Frame(pixels, valid, np.stack(counts), most)


def _counts(channel: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    import cv2

    # Counted as float32, which holds every whole number up to 2^24.
    rows = math.ceil(2**24 / channel.shape[1])
    mask = None if valid is None else valid.astype(np.uint8)
    counts = [
        cv2.calcHist(
            [np.ascontiguousarray(channel[i : i + rows])], [0],
            None if mask is None else mask[i : i + rows], [VALUES], [0, VALUES],
        )
        for i in range(0, len(channel), rows)
    ]  # fmt: skip
    return np.sum(counts, axis=0).astype(np.int64).reshape(-1)


@dataclass
class Met:
    """What the images of a source are like, which must be the same for all.

    Attributes:
        sizes: How many images have each ``(height, width)``.
        types: How many have each type of pixels.
        bands: How many have each number of channels.
        most: How many have each largest value, as of ``Pixels``.
        ends: The least pixel and the greatest of types that hold values below 0, or None.
        noticed: What is to be said of how many images.
    """

    sizes: Counter[tuple[int, ...]] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    bands: Counter[int] = field(default_factory=Counter)
    most: Counter[int | None] = field(default_factory=Counter)
    ends: tuple[float, float] | None = None
    noticed: Counter[str] = field(default_factory=Counter)

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width of all."""
        return next(iter(self.sizes))

    @property
    def dtype(self) -> str:
        """The type of all."""
        return next(iter(self.types))

    def fits(self, frame: Frame, channels: int) -> bool:
        """Take note of an image.

        Args:
            frame: The image.
            channels: How many channels all images have, of which grey ones among colour ones are
                given as many.

        Returns:
            Whether every image so far is like it.
        """
        pixels = frame.pixels
        self.sizes[pixels.shape[1:]] += 1
        self.types[pixels.dtype.name] += 1
        self.most[frame.most] += 1
        self.noticed.update(frame.noticed)
        self.bands[channels if (len(pixels), channels) == (1, COLOURS) else len(pixels)] += 1
        if pixels.dtype.kind in "fi":
            ends = (float(pixels.min()), float(pixels.max()))
            before = self.ends or ends
            self.ends = (min(before[0], ends[0]), max(before[1], ends[1]))
        return len(self.sizes) == len(self.types) == len(self.bands) == 1

    def check(self, name: str) -> None:
        """Refuse images that differ.

        Args:
            name: What the source is called.

        Raises:
            NormscopeError: If they do.
        """
        sizes = Counter({f"{s[1]} x {s[0]}": n for s, n in self.sizes.items()})
        for counts, what, advice in (
            (sizes, "one size", "Give --resize, such as --resize 64x64, or --crop."),
            (self.types, "one type of pixels", "Convert them to one depth, or sort them."),
            (self.bands, "one number of channels", "Sort them, or pass --channels."),
        ):
            if len(counts) > 1:
                met = ", ".join(
                    f"{kind} ({counted(n, 'image')})" for kind, n in counts.most_common(3)
                )
                raise NormscopeError(
                    f"the images of {name} must share {what}, got {len(counts)}: {met}. {advice}"
                )
