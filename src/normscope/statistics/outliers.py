"""The images that are most unlike the rest, each with the likely reason."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from normscope.statistics.image_traits import LARGEST, STEP, ImageTraits, numbers_of, traits_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from normscope.statistics.image_traits import Candidate, Trait
    from normscope.statistics.kinds import Kind

FAR = 6.0
"""So many robust standard deviations from the median image make an outlier: of images that vary
as a normal distribution does, one in 500 million."""

FEWEST = 20
"""Of fewer images none is called unlike the rest."""

MOST_CONSTANT = 0.05
"""Constant images stand out where they are at most this share; volumes end in empty slices."""

MOST_GREY = 0.05
"""Of more grey images the others are compared among themselves in their colour balance."""

QUARTILE = 0.6745
"""A normal distribution's quartiles lie so many standard deviations from its median."""

LEAST_STEP = 0.005
"""A standard deviation of means counts as at least this share of the pixels' range, so that in a
collection of nearly equal images a difference that nobody would see is none; nor is one below the
step that means are counted in."""

LEAST_RATIO = 0.1
"""Likewise for the logarithm to base 2 of stds."""

OTHER_UNIT = 8.0
"""A mean and a std that are both so many times those of the median image are in another unit."""

RULE = (
    f"An image stands out where its mean, its std or its colour balance lies more than {FAR:g} "
    "robust standard deviations from the median image, or where it is constant and few others are. "
    "It is counted all the same."
)


@dataclass(frozen=True)
class Outlier:
    """An image that is unlike the rest.

    Attributes:
        path: Where it is.
        frame: Its place among the images of its file, from 0.
        score: How many robust standard deviations lie between it and the median image in the
            trait that is most unlike; None for a constant image.
        reason: What is odd about it.
    """

    path: str
    frame: int
    score: float | None
    reason: str

    def to_json(self) -> dict[str, Any]:
        """The outlier as JSON has it."""
        return {
            "path": self.path,
            "frame": self.frame,
            "score": self.score,
            "reason": self.reason,
        }


class _Usual(NamedTuple):
    """The median of a trait and its robust standard deviations to either side."""

    median: float
    below: float
    above: float

    def score(self, number: float) -> float:
        return (number - self.median) / (self.below if number < self.median else self.above)


def find_outliers(
    traits: Mapping[Kind, ImageTraits],
    kind: Kind,
    most: int,
    span: float,
    channel_names: tuple[str, ...],
) -> tuple[Outlier, ...]:
    """The images most unlike the rest, the most unlike first.

    The standard deviations are robust: on either side of the median that of a normal distribution
    with the same quartile, so that a skewed collection has no outliers for that reason. Stds are
    compared by their logarithm. Any image that is among the ``most`` most unlike is at an end of
    some trait, so the few that are kept there are enough, whatever the number of images.

    Args:
        traits: Of the images of each kind.
        kind: The kind that the whole collection has.
        most: At most how many are listed.
        span: The range of all pixels in the pixels' own units.
        channel_names: What the channels are called.

    Returns:
        The outliers; none of fewer than 20 images.
    """
    whole = ImageTraits(most)
    for other, part in traits.items():
        whole.merge(part.as_kind(kind, other))
    if whole.images < FEWEST or whole.images == whole.constant:
        return ()
    dtype = np.dtype(kind.dtype)
    unit = float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0
    columns = traits_of(kind.channels)
    usual = [
        _usual(trait, *numbers_of(counts), span / unit)
        for trait, counts in zip(columns, whole.counts, strict=True)
    ]
    judge = _Judge(columns, usual, unit, channel_names)
    few = whole.constant <= MOST_CONSTANT * whole.images
    found = []
    for end in whole.ends:
        if judge.is_constant(end):
            if few:
                found.append((math.inf, end, judge.constant_reason(end)))
        elif (score := judge.score(end)) > FAR:
            found.append((score, end, judge.reason(end)))
    found.sort(key=lambda entry: (-entry[0], entry[1]))
    return tuple(
        Outlier(end.name, end.frame, None if math.isinf(score) else round(score, 1), reason)
        for score, end, reason in found[:most]
    )


def _usual(trait: Trait, numbers: np.ndarray, images: np.ndarray, span: float) -> _Usual:
    least, top = LEAST_STEP * span, LARGEST
    if trait.what == "std":
        some, top = numbers > 0, math.log2(LARGEST)
        numbers, images, least = np.log2(numbers[some]), images[some], LEAST_RATIO
    coloured = numbers != 0
    of_colour = images[coloured].sum()
    if trait.what == "balance" and FEWEST <= of_colour < (1 - MOST_GREY) * images.sum():
        # So many grey images would make any colour a cast.
        numbers, images = numbers[coloured], images[coloured]
    ends = np.cumsum(images)
    if not len(ends):
        return _Usual(0.0, math.inf, math.inf)
    low, median, high = (
        float(numbers[np.searchsorted(ends, share * ends[-1])]) for share in (0.25, 0.5, 0.75)
    )
    if trait.what != "std":
        least = max(least, STEP * abs(median))
    if float(numbers[-1]) >= top:
        # Numbers beyond float32 are counted as one.
        return _Usual(median, math.inf, math.inf)
    below, above = (max(gap / QUARTILE, least) for gap in (median - low, high - median))
    return _Usual(median, below, above)


class _Judge(NamedTuple):
    columns: tuple[Trait, ...]
    usual: list[_Usual]
    unit: float
    names: tuple[str, ...]

    @property
    def channels(self) -> int:
        return len(self.names)

    def is_constant(self, end: Candidate) -> bool:
        return not any(end.values[self.channels : 2 * self.channels])

    def scores(self, values: tuple[float, ...]) -> list[float]:
        found = []
        for trait, usual, number in zip(self.columns, self.usual, values, strict=True):
            if trait.what == "balance":
                found.append(0.0 if self._is_grey(values) else usual.score(number))
            elif trait.what == "mean":
                found.append(usual.score(number))
            else:
                # One flat channel beside others says nothing of contrast.
                found.append(usual.score(math.log2(number)) if number else 0.0)
        return found

    def _is_grey(self, values: tuple[float, ...]) -> bool:
        means, stds = values[:3], values[3:6]
        return len({*means}) == len({*stds}) == 1

    def score(self, end: Candidate) -> float:
        return max(abs(score) for score in self.scores(end.values))

    def constant_reason(self, end: Candidate) -> str:
        values = [self._stored(value) for value in end.values[: self.channels]]
        shown = ", ".join(values[:1] if len(set(values)) == 1 else values)
        return f"{'black' if set(values) == {'0'} else 'constant'}: every pixel is {shown}"

    def reason(self, end: Candidate) -> str:
        return self._other_unit(end) or self._reversed(end) or self._worst(end)

    def _other_unit(self, end: Candidate) -> str | None:
        ratios = []
        for trait, usual, number in zip(self.columns, self.usual, end.values, strict=True):
            if trait.what != "balance":
                median = 2**usual.median if trait.what == "std" else usual.median
                if number * median <= 0:
                    return None
                ratios.append(number / median)
        least, greatest = min(ratios), max(ratios)
        times = math.exp(sum(map(math.log, ratios)) / len(ratios))
        if least >= OTHER_UNIT:
            factor = f"{_two_digits(times)} times"
        elif greatest <= 1 / OTHER_UNIT:
            factor = f"1/{_two_digits(1 / times)} of"
        else:
            return None
        return f"values about {factor} the others': another unit or bit depth?"

    def _reversed(self, end: Candidate) -> str | None:
        if self.channels != 3 or abs(self.scores(end.values)[-1]) <= FAR:
            return None
        if abs(self.usual[-1].score(0.0)) <= FAR / 2:
            return None  # the others have no colour of their own that could be in reverse
        mean, std = end.values[:3][::-1], end.values[3:6][::-1]
        swapped = max(map(abs, self.scores((*mean, *std, -end.values[6]))))
        return (
            f"{self.names[0]} and {self.names[2]} seem swapped: in reverse order it is like the "
            "others"
            if swapped <= FAR / 2
            else None
        )

    def _worst(self, end: Candidate) -> str:
        scores = self.scores(end.values)
        at = max(range(len(scores)), key=lambda k: abs(scores[k]))
        trait, usual, high = self.columns[at], self.usual[at], scores[at] > 0
        place = f" in {self.names[trait.channel]}" if self.channels > 1 else ""
        if trait.what == "balance":
            what = f"{self.names[0 if high else 2]} cast"
            numbers = f"{self.names[0]} less {self.names[2]} is"
            median = usual.median
        elif trait.what == "mean":
            what, numbers = f"much {'brighter' if high else 'darker'}{place}", "the mean is"
            median = usual.median
        else:
            what = f"much {'more' if high else 'less'} contrast{place}"
            numbers, median = "the std is", 2**usual.median
        value = self._stored(end.values[at])
        return f"{what}: {numbers} {value}, that of the median image {self._stored(median)}"

    def _stored(self, value: float) -> str:
        return f"{value * self.unit:.4g}"


def _two_digits(number: float) -> str:
    return f"{float(f'{number:.2g}'):g}"
