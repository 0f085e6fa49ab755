"""Exact per-channel sums over pixels: what every statistic of this package is computed from."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from normscope.errors import ChannelMismatch, NormscopeError
from normscope.statistics.exact import (
    Exact,
    exact_dot,
    exact_sqrt,
    exact_sum,
    exact_variance,
    integer_dot,
)
from normscope.statistics.histogram import bin_values, count_bins, count_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, eq=False)
class Moments:
    """Counts, sums and a histogram per channel, exact whatever the order of merging.

    Integer pixels are summed in integers. Floats are dyadic fractions, so they too are summed
    without rounding; that costs more time than compensated summation and needs no error bound.

    Attributes:
        dtype: Name of the pixels' NumPy type.
        n: Pixels counted in each channel.
        sums: Their sum in each channel, in raw pixel units.
        squares: The sum of their squares.
        minimum: The least pixel of each channel; None where none was counted.
        maximum: The greatest.
        histogram: int64, shape ``(C, bins)``; `normscope.statistics.histogram` has the bins.
        whole: int64, shape ``(C, 65536)``, a bin for each value of int16: of wide pixels that are
            all whole numbers in its range, as Hounsfield units are. None for all others.
    """

    dtype: str
    n: tuple[int, ...]
    sums: tuple[Exact, ...]
    squares: tuple[Exact, ...]
    minimum: tuple[float | None, ...]
    maximum: tuple[float | None, ...]
    histogram: np.ndarray
    whole: np.ndarray | None = None

    @classmethod
    def of(cls, pixels: np.ndarray, valid: np.ndarray | None = None) -> Moments:
        """Moments of an array of images.

        Args:
            pixels: Integers or floats, shape ``(N, C, H, W)``.
            valid: bool, of a shape that broadcasts to ``pixels``: which pixels count.

        Returns:
            The moments of the pixels that count.

        Raises:
            NormscopeError: If the array has another shape.

        Example:
            >>> moments = Moments.of(np.array([[[[0, 51, 255]]]], np.uint8))
            >>> moments.sums, moments.mean(255)
            ((306,), (0.4,))
        """
        if pixels.ndim != 4:
            raise NormscopeError(
                f"pixels must have the shape (N, C, H, W), got {pixels.shape}. Reshape the array."
            )
        if valid is not None:
            valid = np.broadcast_to(valid, pixels.shape)
        channels = [
            pixels[:, c] if valid is None else pixels[:, c][valid[:, c]]
            for c in range(pixels.shape[1])
        ]
        return cls.of_channels(channels)

    @classmethod
    def of_channels(cls, channels: Sequence[np.ndarray]) -> Moments:
        """Moments of pixels given channel by channel, which may differ in number.

        Args:
            channels: One array of any shape for each channel, all of one type.

        Returns:
            Their moments.
        """
        dtype = channels[0].dtype
        histogram = np.stack([count_bins(channel) for channel in channels])
        if dtype.kind in "iub" and dtype.itemsize <= 2:
            return cls.from_histogram(histogram, dtype)
        add, dot = (exact_sum, exact_dot) if dtype.kind == "f" else (_sum, integer_dot)
        return cls(
            dtype=dtype.name,
            n=tuple(channel.size for channel in channels),
            sums=tuple(add(channel) for channel in channels),
            squares=tuple(dot(channel, channel) for channel in channels),
            minimum=tuple(c.min().item() if c.size else None for c in channels),
            maximum=tuple(c.max().item() if c.size else None for c in channels),
            histogram=histogram,
            whole=_stacked([count_whole(channel) for channel in channels]),
        )

    @classmethod
    def from_histogram(cls, histogram: np.ndarray, dtype: np.dtype | str) -> Moments:
        """Moments of integer pixels of up to 16 bits, which their histogram determines.

        Args:
            histogram: int64, shape ``(C, bins)``, a bin for each value of the type.
            dtype: The pixels' type.

        Returns:
            Their moments.
        """
        dtype = np.dtype(dtype)
        values = bin_values(dtype)
        sums, squares, minimum, maximum = [], [], [], []
        for counts in histogram:
            present = np.flatnonzero(counts)
            some, of = values[present], counts[present]
            sums.append(integer_dot(some, of))
            squares.append(integer_dot(some * some, of))
            minimum.append(int(some[0]) if some.size else None)
            maximum.append(int(some[-1]) if some.size else None)
        return cls(
            dtype.name,
            tuple(int(counts.sum()) for counts in histogram),
            tuple(sums),
            tuple(squares),
            tuple(minimum),
            tuple(maximum),
            np.asarray(histogram, np.int64),
        )

    @classmethod
    def side_by_side(cls, channels: Sequence[Moments]) -> Moments:
        """Moments of several channels from those of each.

        Args:
            channels: Moments of one type.

        Returns:
            Moments whose channels are theirs, in order.
        """
        return cls(
            channels[0].dtype,
            tuple(n for moments in channels for n in moments.n),
            tuple(s for moments in channels for s in moments.sums),
            tuple(q for moments in channels for q in moments.squares),
            tuple(v for moments in channels for v in moments.minimum),
            tuple(v for moments in channels for v in moments.maximum),
            np.concatenate([moments.histogram for moments in channels]),
            _stacked([moments.whole for moments in channels]),
        )

    @property
    def channels(self) -> int:
        """How many channels were summed."""
        return len(self.n)

    @property
    def finest(self) -> tuple[np.ndarray, np.ndarray]:
        """The values of the finest bins there are, and how many pixels each channel has in them."""
        if self.whole is not None:
            return bin_values(np.dtype(np.int16)), self.whole
        return bin_values(np.dtype(self.dtype)), self.histogram

    def merge(self, other: Moments) -> Moments:
        """Moments of both sets of pixels together.

        Nothing is rounded, so any order of merging gives the same bits.

        Args:
            other: Moments over the same number of channels of the same type.

        Returns:
            New moments; neither operand changes.

        Raises:
            ChannelMismatch: If the channel counts or the types differ.

        Example:
            >>> ones, zeros = np.ones((1, 1, 1, 3), np.uint8), np.zeros((1, 1, 1, 1), np.uint8)
            >>> Moments.of(ones).merge(Moments.of(zeros)).mean(1)
            (0.75,)
        """
        if (self.channels, self.dtype) != (other.channels, other.dtype):
            raise ChannelMismatch(
                "moments must have the same channels and type to be merged, "
                f"got {self.channels} of {self.dtype} and {other.channels} of {other.dtype}. "
                "Merge images of one kind."
            )
        return Moments(
            self.dtype,
            tuple(a + b for a, b in zip(self.n, other.n, strict=True)),
            tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)),
            tuple(a + b for a, b in zip(self.squares, other.squares, strict=True)),
            _either(min, self.minimum, other.minimum),
            _either(max, self.maximum, other.maximum),
            self.histogram + other.histogram,
            None if self.whole is None or other.whole is None else self.whole + other.whole,
        )

    def mean(self, scale: float) -> tuple[float, ...]:
        """The mean pixel of each channel divided by ``scale``, rounded once.

        Args:
            scale: What brings pixels to [0, 1], such as 255.

        Returns:
            One mean per channel.
        """
        self._check_counted()
        return tuple(
            float(Fraction(s) / n / Fraction(scale)) for s, n in zip(self.sums, self.n, strict=True)
        )

    def std(self, scale: float) -> tuple[float, ...]:
        """The standard deviation of each channel's pixels over ``scale``, rounded once.

        The pixels are the population: the divisor is n, not n - 1.

        Args:
            scale: What brings pixels to [0, 1], such as 255.

        Returns:
            One standard deviation per channel.

        Example:
            >>> Moments.of(np.array([[[[0, 0, 255, 255]]]], np.uint8)).std(255)
            (0.5,)
        """
        return tuple(exact_sqrt(v) for v in self.variance(scale))

    def variance(self, scale: float) -> tuple[Fraction, ...]:
        """The variance of each channel's pixels over ``scale`` squared, exactly.

        Args:
            scale: What brings pixels to [0, 1], such as 255.

        Returns:
            One fraction per channel.
        """
        self._check_counted()
        return tuple(
            exact_variance(n, s, q) / Fraction(scale) ** 2
            for q, s, n in zip(self.squares, self.sums, self.n, strict=True)
        )

    def _check_counted(self) -> None:
        if 0 in self.n:
            raise NormscopeError(
                "every channel must have at least one pixel that counts, "
                f"got {self.n} pixels. Check --nodata and the alpha channel."
            )


def _stacked(channels: Sequence[np.ndarray | None]) -> np.ndarray | None:
    known = [counts for counts in channels if counts is not None]
    return np.vstack(known) if len(known) == len(channels) else None


def _sum(values: np.ndarray) -> int:
    return integer_dot(values, np.broadcast_to(np.int64(1), values.shape))


def _either(
    choose: Callable[..., float],
    left: tuple[float | None, ...],
    right: tuple[float | None, ...],
) -> tuple[float | None, ...]:
    return tuple(
        b if a is None else a if b is None else choose(a, b)
        for a, b in zip(left, right, strict=True)
    )
