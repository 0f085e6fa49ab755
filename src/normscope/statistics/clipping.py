"""The mean and std that pixels have once they are clipped, from their histogram alone."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from normscope.errors import NormscopeError
from normscope.normalization import Normalization
from normscope.statistics.exact import exact_dot, exact_sqrt, integer_dot
from normscope.wording import counted, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from normscope.statistics.known_values import KnownValues


class End(NamedTuple):
    """One end of a clip.

    Attributes:
        number: A percentile, or a value in the pixels' own units.
        percent: Whether it is a percentile.
    """

    number: Fraction
    percent: bool


WINDOW = "window"
"""In place of both ends: what the images' own headers show."""

MOST_WINDOWS = 4


class Clip(NamedTuple):
    """What is clipped away.

    Attributes:
        text: As the user wrote it.
        low: The lower end; of ``window`` None until it is known.
        high: The upper one.
        note: What is said of it, or nothing.
    """

    text: str
    low: End | None
    high: End | None
    note: str = ""

    @classmethod
    def parse(cls, text: str) -> Clip:
        """Read ``LOW:HIGH`` or ``window``.

        Args:
            text: Each end a value in the pixels' own units, or a percentile with ``%``.

        Returns:
            The clip.

        Raises:
            NormscopeError: If it is written in another way, or LOW is not below HIGH.

        Example:
            >>> Clip.parse("0.5%:400").high
            End(number=Fraction(400, 1), percent=False)
        """
        if text.strip().lower() == WINDOW:
            return cls(WINDOW, None, None)
        ends = [_end(part.strip()) for part in text.split(":")]
        if len(ends) != 2 or ends[0] is None or ends[1] is None:
            raise NormscopeError(
                "--clip must be LOW:HIGH, each a value as stored or a percentile from 0% to 100%, "
                f"or window, got '{text}'. Write it as -1000:400 or 0.5%:99.5%."
            )
        low, high = ends[0], ends[1]
        if low.percent == high.percent and low.number >= high.number:
            raise NormscopeError(
                f"--clip must have LOW below HIGH, got '{text}'. Write the smaller one first."
            )
        return cls(text, low, high)

    def of_images(self, windows: Mapping[tuple[float, float], int], images: int) -> Clip:
        """The clip with both ends, of ``window`` those that most images name.

        Args:
            windows: The ends of the windows that headers name, with the number of images.
            images: How many there are.

        Returns:
            The clip, with what is said where not all images name one window.

        Raises:
            NormscopeError: If ``window`` was asked for and no image names one.
        """
        if self.low is not None:
            return self
        if not windows:
            raise NormscopeError(
                "--clip window must have DICOM images whose headers name a window, got none among "
                f"{counted(images, 'image')}. Give the ends, as -1000:400."
            )
        ordered = sorted(windows.items(), key=lambda entry: (-entry[1], entry[0]))
        (ends, count), others = ordered[0], images - sum(windows.values())
        low, high = (End(Fraction(end), percent=False) for end in ends)
        said = [f"{low:.6g} to {high:.6g} ({of:,})" for (low, high), of in ordered]
        said += [f"none ({others:,})"] * (others > 0)
        note = (
            f"The clip is the window of {count:,} of {counted(images, 'image')}; these name "
            f"{listed(said, most=MOST_WINDOWS)}."
        )
        return Clip(self.text, low, high, note if len(said) > 1 else "")


def _end(text: str) -> End | None:
    percent = text.endswith("%")
    number = text.removesuffix("%").strip()
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,2})?", number, re.IGNORECASE):
        return None
    value = Fraction(number)
    return None if percent and not 0 <= value <= 100 else End(value, percent)


@dataclass(frozen=True)
class Clipped:
    """The pixels of a collection once they are clipped.

    Attributes:
        text: The clip as the user wrote it.
        low: The lower end of each channel, in the pixels' own units.
        high: The upper one.
        scale: What brings pixels to [0, 1].
        stored_mean: The mean of each channel's clipped pixels, in their own units.
        stored_std: Their std.
        within: How far the mean and the std of each channel may be off, in their own units: 0 for
            pixels whose values are known.
    """

    text: str
    low: tuple[float, ...]
    high: tuple[float, ...]
    scale: float
    stored_mean: tuple[float, ...]
    stored_std: tuple[float, ...]
    within: tuple[float, ...]

    @property
    def mean(self) -> tuple[float, ...]:
        """The mean of each channel's clipped pixels over the scale."""
        return tuple(value / self.scale for value in self.stored_mean)

    @property
    def std(self) -> tuple[float, ...]:
        """Their std over the scale."""
        return tuple(value / self.scale for value in self.stored_std)

    @property
    def ends(self) -> str:
        """The ends in words, once where all channels have the same."""
        each = [f"{low:.6g}..{high:.6g}" for low, high in zip(self.low, self.high, strict=True)]
        return ", ".join(each[:1] if len(set(each)) == 1 else each)

    @property
    def exact(self) -> bool:
        """Whether the mean and the std are known exactly."""
        return not any(self.within)

    @property
    def normalization(self) -> Normalization:
        """The mean and std of the clipped pixels, to be used on clipped pixels.

        Raises:
            NormscopeError: If a channel is constant once it is clipped.
        """
        if 0 in self.std:
            channel = self.std.index(0)
            raise NormscopeError(
                "--clip must leave two values or more in every channel, got one in channel "
                f"{channel}: {self.text} clips it to {self.low[channel]:.6g} to "
                f"{self.high[channel]:.6g}. Move an end."
            )
        return Normalization(self.mean, self.std)

    def to_json(self) -> dict[str, Any]:
        """The clip as JSON has it: ``mean`` and ``std`` in [0, 1], the rest under ``stored``."""
        return {
            "clip": self.text,
            "mean": list(self.mean),
            "std": list(self.std),
            "within": [value / self.scale for value in self.within],
            "stored": {
                "low": list(self.low),
                "high": list(self.high),
                "mean": list(self.stored_mean),
                "std": list(self.stored_std),
                "within": list(self.within),
            },
        }


def clip_pixels(known: tuple[KnownValues, ...], clip: Clip, scale: float) -> Clipped:
    """The mean and std after a clip, in the same pass as all else.

    They are exact where the pixels' values are known. Elsewhere a run of pixels is taken for the
    middle of its bounds; by the triangle inequality neither the mean nor the std is then off by
    more than the root mean square of the half widths, which is given. A second pass over the
    images could do without it, and would cost as much as the first.

    Args:
        known: The pixels, channel by channel.
        clip: Where to clip, with both ends.
        scale: What brings pixels to [0, 1].

    Returns:
        The clipped pixels' statistics.

    Raises:
        NormscopeError: If the ends cross in a channel.
    """
    channels = [_clipped(channel, clip, number) for number, channel in enumerate(known)]
    low, high, mean, std, within = zip(*channels, strict=True)
    return Clipped(clip.text, low, high, scale, mean, std, within)


def _clipped(known: KnownValues, clip: Clip, channel: int) -> tuple[float, ...]:
    assert clip.low is not None
    assert clip.high is not None
    low, high = (_at(known, end) for end in (clip.low, clip.high))
    if low > high or (low == high and clip.low.percent != clip.high.percent):
        raise NormscopeError(
            "--clip must have LOW below HIGH in every channel, got "
            f"{float(low):.6g} and {float(high):.6g} in channel {channel} "
            f"from '{clip.text}'. Move an end."
        )
    n = int(known.counts.sum())
    values, counts = known.middle, known.counts
    below = int(counts[values <= low].sum())
    above = int(counts[(values >= high) & (values > low)].sum())
    inside = (values > low) & (values < high)
    some, of = values[inside], counts[inside]
    if known.exact:
        total, squares = integer_dot(some, of), integer_dot(some * some, of)
    else:
        weights = of.astype(np.float64)
        total, squares = exact_dot(some, weights), exact_dot(some, some * weights)
    mean = (total + below * low + above * high) / n
    variance = (squares + below * low**2 + above * high**2) / n - mean**2
    within = 0.0
    if not known.exact:
        bounds = (np.clip(of, float(low), float(high)) for of in (known.low, known.high))
        widths = np.subtract(*bounds)
        within = math.sqrt(float((widths**2 * counts).sum()) / n) / 2
    std = exact_sqrt(max(Fraction(0), variance))
    return float(low), float(high), float(mean), std, within


def _at(known: KnownValues, end: End) -> Fraction:
    if not end.percent:
        return end.number
    low, high = (Fraction(bound) for bound in known.percentile(end.number))
    return (low + high) / 2
