"""The sums of each image by itself: what says how much images differ from one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from normscope.statistics.histogram import count_bins
from normscope.statistics.moments import Moments

SMALL_PIXELS = 16_384
"""Up to this many pixels a channel, many images are summed faster together than one by one, and
the squares of bytes add up to less than 2**31."""

POWERS = np.arange(256)[:, None] ** [1, 2]
"""Each value of a byte, and its square."""

TWO_VALUED = "two values alone"
"""How notices call images of which nothing lies between the two."""


@dataclass(frozen=True)
class ImageSums:
    """Per image and channel: pixels counted, their sum, the sum of squares, and the variance.

    Sums are int64 for pixels of up to 16 bits and float64, rounded once from the exact sum, for
    all others.

    Attributes:
        n: int64, shape ``(N, C)``.
        s: The sum of pixels, shape ``(N, C)``.
        q: The sum of squared pixels, shape ``(N, C)``.
        wide_variance: float64, shape ``(N, C)``, for wide pixels, whose sums are rounded; None
            where the sums determine it.
    """

    n: np.ndarray
    s: np.ndarray
    q: np.ndarray
    wide_variance: np.ndarray | None = None

    @property
    def variance(self) -> np.ndarray:
        """float64, shape ``(N, C)``; 0 where nothing was counted."""
        if self.wide_variance is not None:
            return self.wide_variance
        return _variance(self.n, self.s, self.q)

    @property
    def mean(self) -> np.ndarray:
        """float64, shape ``(N, C)``; 0 where nothing was counted."""
        return self.s / np.maximum(self.n, 1)

    def two_valued(self, top: int) -> int:
        """How many images hold only two values in each channel, 0 and 1 or 0 and the largest.

        Args:
            top: The largest value of the pixels' type, of up to 16 bits.

        Returns:
            The number; constant images are none of them.
        """
        # Every v (M - v) is at least 0, so that they add up to 0 only where each v is 0 or M.
        ends = [(most * self.s == self.q).all(axis=1) for most in (1, top)]
        return int((np.logical_or(*ends) & (self.variance > 0).any(axis=1)).sum())

    @classmethod
    def joined(cls, parts: list[ImageSums]) -> ImageSums:
        """The sums of several sets of images of one kind, one after another."""
        wide = [p.wide_variance for p in parts if p.wide_variance is not None]
        return cls(
            np.concatenate([p.n for p in parts]),
            np.concatenate([p.s for p in parts]),
            np.concatenate([p.q for p in parts]),
            np.concatenate(wide) if wide else None,
        )

    def take(self, order: np.ndarray) -> ImageSums:
        """The sums of the images at these indices.

        Args:
            order: Shape ``(K,)``.

        Returns:
            The sums of K images.
        """
        wide = self.wide_variance
        return ImageSums(
            self.n[order], self.s[order], self.q[order], None if wide is None else wide[order]
        )


def sum_images(
    values: np.ndarray, valid: np.ndarray | None
) -> tuple[np.ndarray | Moments, ImageSums]:
    """Sum images of one shape, together and each by itself.

    Args:
        values: Integers or finite floats, shape ``(N, C, H, W)``.
        valid: bool, of a shape that broadcasts to ``values``, or None for all.

    Returns:
        The histogram of each channel, which determines the moments of pixels of up to 16 bits, or
        the moments of wider pixels; and the sums of each image.
    """
    dtype = values.dtype
    if dtype.kind not in "iu" or dtype.itemsize > 2:
        return _sum_wide(values, valid)
    if valid is not None or dtype != np.uint8:
        return _sum_narrow(values, valid)
    if values.shape[2] * values.shape[3] > SMALL_PIXELS:
        return sum_counts([np.stack([count_bins(c) for c in image]) for image in values])
    return _sum_bytes(values)


def is_counted_alone(values: np.ndarray, valid: np.ndarray | None) -> bool:
    """Whether an image is best summed by `count_colour_bins` and, in the end, `sum_counts`.

    Args:
        values: Shape ``(N, C, H, W)``.
        valid: Which pixels count, or None for all.

    Returns:
        True for one image of bytes with three channels side by side, as decoders leave them; its
        rows may be cropped.
    """
    if len(values) > 1 or valid is not None or values.dtype != np.uint8 or values.shape[1] != 3:
        return False
    _, channel, row, pixel = values.strides
    return (channel, pixel) == (1, 3) and row >= 3 * values.shape[3]


def sum_counts(counts: list[np.ndarray]) -> tuple[np.ndarray, ImageSums]:
    """The sums that the histograms of images of bytes determine.

    Args:
        counts: For each image, shape ``(C, 256)``.

    Returns:
        The histogram of all of them, and the sums of each.
    """
    stacked = np.array(counts).astype(np.int64, copy=False)
    powers = stacked @ POWERS
    sums = ImageSums(stacked.sum(axis=2), powers[..., 0], powers[..., 1])
    return stacked.sum(axis=0), sums


def _sum_bytes(values: np.ndarray) -> tuple[np.ndarray, ImageSums]:
    import cv2

    images, channels, height, width = values.shape
    planes = np.ascontiguousarray(values).reshape(images * channels, height * width)
    s = cv2.reduce(planes, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    counts = [count_bins(planes[channel::channels]) for channel in range(channels)]
    shape = (images, channels)
    n = np.full(shape, height * width, np.int64)
    q = _squares(planes)
    sums = ImageSums(n, s.reshape(shape).astype(np.int64), q.reshape(shape).astype(np.int64))
    return np.stack(counts), sums


def _squares(planes: np.ndarray) -> np.ndarray:
    # The squared distance from zero, which OpenCV adds up with the processor's wide instructions.
    import cv2

    zero = np.zeros((1, planes.shape[1]), np.uint8)
    return cv2.batchDistance(planes, zero, cv2.CV_32S, normType=cv2.NORM_L2SQR, K=1)[0]


def _sum_narrow(
    values: np.ndarray, valid: np.ndarray | None
) -> tuple[np.ndarray | Moments, ImageSums]:
    shape = values.shape[:2]
    n, s, q = (np.zeros(shape, np.int64) for _ in range(3))
    total = np.zeros((shape[1], 2 ** (8 * values.dtype.itemsize)), np.int64)
    for index, channel, pixels in _channels(values, valid):
        wide = pixels.astype(np.int64)
        n[index, channel] = wide.size
        s[index, channel] = wide.sum()
        q[index, channel] = np.dot(wide, wide)
        total[channel] += count_bins(pixels)
    return total, ImageSums(n, s, q)


def _sum_wide(
    values: np.ndarray, valid: np.ndarray | None
) -> tuple[np.ndarray | Moments, ImageSums]:
    shape = values.shape[:2]
    n = np.zeros(shape, np.int64)
    s, q, variance = (np.zeros(shape) for _ in range(3))
    moments: list[Moments | None] = [None] * shape[1]
    for index, channel, pixels in _channels(values, valid):
        one = Moments.of_channels([pixels])
        before = moments[channel]
        moments[channel] = one if before is None else before.merge(one)
        n[index, channel] = one.n[0]
        s[index, channel] = float(one.sums[0])
        q[index, channel] = float(one.squares[0])
        variance[index, channel] = float(one.variance(1)[0]) if one.n[0] else 0.0
    return Moments.side_by_side([m for m in moments if m is not None]), ImageSums(n, s, q, variance)


def _channels(values: np.ndarray, valid: np.ndarray | None):
    if valid is not None:
        valid = np.broadcast_to(valid, values.shape)
    for index in range(len(values)):
        for channel in range(values.shape[1]):
            plane = values[index, channel]
            counted = plane.reshape(-1) if valid is None else plane[valid[index, channel]]
            yield index, channel, counted


def _variance(n: np.ndarray, s: np.ndarray, q: np.ndarray) -> np.ndarray:
    # The numerator is exact before it is rounded, whichever of the two ways computes it.
    largest = int(n.max(initial=0)) * int(q.max(initial=0))
    if largest < 2**62:
        numerator = (n * q - s * s).astype(np.float64)
    else:
        numerator = np.array(
            [
                float(int(m) * int(b) - int(a) ** 2)
                for m, a, b in zip(n.flat, s.flat, q.flat, strict=True)
            ]
        ).reshape(n.shape)
    pixels = np.maximum(n, 1).astype(np.float64)
    return numerator / (pixels * pixels)
