"""Values that stand far from all others: what files hold where nothing was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.statistics.known_values import known_values
from normscope.wording import listed, percent, plural

if TYPE_CHECKING:
    from normscope.statistics.known_values import KnownValues
    from normscope.statistics.moments import Moments

RARE, FREQUENT = 1e-4, 1e-2
"""Shares of a channel: of a value further from the others than they span, and of a nearer one."""

TIMES_WIDER = 5
"""The gap to a nearer one, in the widest of those between the values in the others' lower half."""

TAIL = 0.01
"""Of that half, the values that are too rare to stand close."""

MOST_CHANNELS = 3
"""So many are named."""

FEWEST_OTHERS = 16
"""Of fewer different values, such as labels, none is far from the others."""


@dataclass(frozen=True)
class FillValue:
    """A value at one end of the pixels' values, and the others.

    Attributes:
        value: As text that reads back as the value.
        exact: Whether it is known that all that share its bin are this value.
        share: Of the pixel values of the channels that have it.
        others: The least and the greatest of the others there.
        channels: Which channels have it; None for all.
    """

    value: str
    exact: bool
    share: float
    others: tuple[float, float]
    channels: tuple[int, ...] | None

    @property
    def met(self) -> str:
        """How frequent it is, and how far from the others, as the beginning of a sentence."""
        about = "" if self.exact else "about "
        low, high = (f"{end:.5g}" for end in self.others)
        where = ""
        if self.channels is not None:
            of = plural(len(self.channels), "channel")
            where = f" of {of} {listed([str(c) for c in self.channels], most=MOST_CHANNELS)}"
        return (
            f"{percent(self.share)} of the pixel values{where} are {about}{self.value}, far "
            f"from all others ({low} to {high})"
        )

    @property
    def sentence(self) -> str:
        """What was met, and what to do if it is no measurement."""
        return f"{self.met}. If that means no data, pass --nodata {self.value}."


def fill_values(moments: Moments) -> tuple[FillValue, ...]:
    """The values at either end of a channel that are unlikely to be measurements.

    A header need not name them: -9999, the least or greatest value of a type, 0 under an offset.
    Bytes have too few values for any to be far from the others.

    Args:
        moments: With at least one pixel in every channel.

    Returns:
        The most frequent first; none where all values belong together.

    Example:
        >>> from normscope.statistics.moments import Moments
        >>> heights = np.append(np.arange(100, 900), [-32768] * 10).astype(np.int16)
        >>> [found.value for found in fill_values(Moments.of(heights.reshape(1, 1, 1, -1)))]
        ['-32768']
    """
    dtype = np.dtype(moments.dtype)
    met: dict[float, list[int]] = {}
    channels = known_values(moments)
    for channel, known in enumerate(channels):
        for value in _apart(known, dtype):
            met.setdefault(value, []).append(channel)
    found = []
    for value, those in met.items():
        have = [channels[c] for c in those]
        counts = sum(_count(known, value) for known in have)
        ends = [end for known in have for end in _others(known, dtype)]
        found.append(
            FillValue(
                _text(value, dtype),
                value == 0 or all(known.exact for known in have),
                counts / sum(moments.n[c] for c in those),
                (min(ends), max(ends)),
                None if len(those) == len(channels) else tuple(those),
            )
        )
    return tuple(sorted(found, key=lambda fill: -fill.share))


def measured_ends(moments: Moments) -> tuple[float, float]:
    """The least and the greatest pixel that are no fill values.

    Args:
        moments: With at least one pixel in every channel.

    Returns:
        Both, in the pixels' own units.
    """
    dtype = np.dtype(moments.dtype)
    ends = [end for known in known_values(moments) for end in _others(known, dtype)]
    return min(ends), max(ends)


def _apart(known: KnownValues, dtype: np.dtype) -> list[float]:
    least, most = _far_ends(known, dtype)
    return [float(known.low[0])] * least + [float(known.high[-1])] * most


def _others(known: KnownValues, dtype: np.dtype) -> tuple[float, float]:
    least, most = _far_ends(known, dtype)
    return float(known.low[int(least)]), float(known.high[-1 - int(most)])


def _count(known: KnownValues, value: float) -> int:
    return int(known.counts[0] if known.low[0] == value else known.counts[-1])


def _far_ends(known: KnownValues, dtype: np.dtype) -> tuple[bool, bool]:
    if dtype.itemsize == 1 or len(known.counts) < FEWEST_OTHERS + 2:
        return False, False
    low, high = known.low.astype(float), known.high.astype(float)
    return (
        _is_apart(low, high, known.counts),
        _is_apart(-high[::-1], -low[::-1], known.counts[::-1]),
    )


def _is_apart(low: np.ndarray, high: np.ndarray, counts: np.ndarray) -> bool:
    """Whether the first run is far from the others."""
    share = counts[0] / counts.sum()
    gap = low[1] - high[0]
    if share >= RARE and gap > high[-2] - low[1]:
        return True
    below = np.cumsum(counts[1:]) / counts[1:].sum()
    first, middle = np.searchsorted(below, [TAIL, 0.5]) + 1
    steps = np.diff(low[first : middle + 1])
    return bool(share >= FREQUENT and steps.size and gap >= TIMES_WIDER * steps.max())


def _text(value: float, dtype: np.dtype) -> str:
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    if dtype.kind in "iu":  # as a float, the largest of 64 bits lies above them
        return str(min(int(value), np.iinfo(dtype).max))
    return str(value if dtype == np.float64 else dtype.type(value))
