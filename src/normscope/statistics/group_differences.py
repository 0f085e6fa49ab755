"""Are the groups of a collection the same? Each against the rest, with simultaneous intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from normscope.statistics.estimators import Estimate, pixel_mean_of, pixel_std_of
from normscope.statistics.per_image import total_of
from normscope.wording import counted, listed

if TYPE_CHECKING:
    from normscope.statistics.per_image import PerImage

CONFIDENCE = 0.95
MOST_NAMED = 3
"""So many differences are put into words; the table and JSON have all."""

NO_DIFFERENCE = (
    "No difference between the groups is larger than the images' own scatter can explain."
)


class Difference(NamedTuple):
    """How far a group lies from the rest in one channel.

    Attributes:
        value: The group's statistic less that of all other groups' images together.
        low: The lower end of its simultaneous interval; None where it is unknown.
        high: The upper end.
    """

    value: float
    low: float | None
    high: float | None

    @property
    def proven(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high

    @property
    def half(self) -> float | None:
        """Half of the interval's width."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    def written(self, number: float) -> str:
        """A number with the decimals that the interval's width deserves.

        Args:
            number: The difference or an end.

        Returns:
            Its digits.
        """
        if not self.half:
            return f"{number:.3g}"
        return f"{number:.{max(0, math.ceil(-math.log10(self.half / 2)))}f}"


@dataclass(frozen=True)
class Group:
    """The statistics of one group of images.

    Attributes:
        name: The folder's, or the table's entry.
        images: How many images it has with a pixel that counts.
        mean: Of its pixels, over the scale.
        std: Of its pixels, over the scale.
        mean_difference: From the rest, channel by channel; None where there is no rest.
        std_difference: Likewise for the std.
    """

    name: str
    images: int
    mean: Estimate
    std: Estimate
    mean_difference: tuple[Difference, ...] | None
    std_difference: tuple[Difference, ...] | None


@dataclass(frozen=True)
class GroupComparison:
    """All groups of a collection.

    Attributes:
        by: What makes the groups: ``folder`` or ``FILE.csv:COLUMN``.
        groups: In the order of their names.
        outside: How many images are in no group.
        scale: What pixels were divided by.
        sentence: Whether the groups differ, and by how much.
    """

    by: str
    groups: tuple[Group, ...]
    outside: int
    scale: float
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON has it, in [0, 1]; times ``scale`` it is in stored units."""
        return {
            "by": self.by,
            "sentence": self.sentence,
            "confidence": CONFIDENCE,
            "outside": self.outside,
            "groups": [
                {
                    "name": group.name,
                    "images": group.images,
                    "mean": list(group.mean.value),
                    "std": list(group.std.value),
                    "mean_se": list(group.mean.se),
                    "std_se": list(group.std.se),
                    "stored_mean": [value * self.scale for value in group.mean.value],
                    "stored_std": [value * self.scale for value in group.std.value],
                    "mean_difference": _differences_to_json(group.mean_difference),
                    "std_difference": _differences_to_json(group.std_difference),
                }
                for group in self.groups
            ],
        }


def compare_groups(
    by: str,
    sums: dict[str, tuple[PerImage, ...]],
    outside: int,
    scale: float,
    channel_names: tuple[str, ...],
    unit: str | None = None,
) -> GroupComparison:
    """Compare each group with the images of all others.

    The images are independent units: a group's mean and std have the standard errors of ratio
    estimates over its images, the rest's likewise, and the two are independent. Each difference
    has Welch's t interval (Biometrika 34, 1947, doi:10.1093/biomet/34.1-2.28) at a level that
    Bonferroni's inequality divides among all of them, means and stds, groups and channels, so that
    all intervals hold together with 95 %. Of two groups one difference is the other's negative and
    counts once. In 600 simulated collections of six groups they held together in 95 % with 30
    images a group, and in 91 % with 10, where the standard error of a std is itself uncertain; of
    two or three groups in 95 to 98 % with either. Images that are alike within a group, such as
    slices of one patient, make the intervals too narrow.

    Args:
        by: What makes the groups.
        sums: Each group's sums over images, channel by channel.
        outside: How many images are in no group.
        scale: What brings pixels to [0, 1].
        channel_names: What the channels are called.
        unit: Of the values, where files say one and ``scale`` leaves it.

    Returns:
        The comparison.
    """
    known = {name: c for name, c in sums.items() if all(channel.images for channel in c)}
    contrasts = len(known) if len(known) > 2 else 1
    level = (1 - CONFIDENCE) / (2 * contrasts * len(channel_names))
    groups = []
    for name, own in known.items():
        others = [channels for other, channels in known.items() if other != name]
        mean, std = pixel_mean_of(own, scale), pixel_std_of(own, scale)
        differences: list[tuple[Difference, ...] | None] = [None, None]
        if others:
            rest = tuple(total_of(parts) for parts in zip(*others, strict=True))
            counts = (min(c.images for c in own), min(c.images for c in rest))
            differences = [
                _differences(mean, pixel_mean_of(rest, scale), counts, level),
                _differences(std, pixel_std_of(rest, scale), counts, level),
            ]
        groups.append(Group(name, max(c.images for c in own), mean, std, *differences))
    sentence = _sentence(groups, channel_names, unit)
    if outside:
        verb = "is" if outside == 1 else "are"
        sentence += f" {counted(outside, 'image')} {verb} in no group and not compared."
    return GroupComparison(by, tuple(groups), outside, scale, sentence)


def _differences(
    own: Estimate, rest: Estimate, counts: tuple[int, int], level: float
) -> tuple[Difference, ...]:
    from scipy.special import stdtrit

    found = []
    for value, se, other, other_se in zip(*own, *rest, strict=True):
        low = high = None
        if se is not None and other_se is not None and (se or other_se):
            parts = (se**2, other_se**2)
            freedom = sum(parts) ** 2 / sum(
                part**2 / (count - 1) for part, count in zip(parts, counts, strict=True)
            )
            half = float(stdtrit(freedom, 1 - level / 2)) * sum(parts) ** 0.5
            low, high = value - other - half, value - other + half
        found.append(Difference(value - other, low, high))
    return tuple(found)


def _sentence(groups: list[Group], names: tuple[str, ...], unit: str | None) -> str:
    if len(groups) < 2:
        only = f", '{groups[0].name}'" if groups else ""
        return (
            f"There is {'one group' if groups else 'no group'}{only}: nothing to compare it with."
        )
    proven: dict[tuple[str, str], list[tuple[int, Difference]]] = {}
    for group in groups[:1] if len(groups) == 2 else groups:
        for differences, words in (
            (group.mean_difference, ("higher", "lower") if unit else ("brighter", "darker")),
            (group.std_difference, ("richer in contrast", "poorer in contrast")),
        ):
            for channel, difference in enumerate(differences or ()):
                if difference.proven:
                    what = words[0] if difference.value > 0 else words[1]
                    proven.setdefault((group.name, what), []).append((channel, difference))
    if not proven:
        single = [group.name for group in groups if group.images < 2]
        unknown = f" Of {listed(single)} there is one image, too few to tell." if single else ""
        return NO_DIFFERENCE + unknown
    largest = sorted(proven.items(), key=lambda found: -max(_size(entry) for entry in found[1]))
    others = "the others" if len(groups) > 2 else groups[1].name
    texts = [
        f"{name} is {what} than {others} by {_amounts(found, names, unit)}."
        for (name, what), found in largest[:MOST_NAMED]
    ]
    more = len(largest) - len(texts)
    return " ".join(texts) + (f" {counted(more, 'smaller difference')} more." if more else "")


def _size(entry: tuple[int, Difference]) -> float:
    return abs(entry[1].value)


def _amounts(found: list[tuple[int, Difference]], names: tuple[str, ...], unit: str | None) -> str:
    texts = []
    for channel, difference in sorted(found, key=_size, reverse=True)[:MOST_NAMED]:
        ends = sorted(abs(end) for end in difference[1:] if end is not None)
        size, low, high = map(difference.written, (abs(difference.value), *ends))
        # It is above 0, or nothing would be said.
        low = low if float(low) else f"{ends[0]:.1g}"
        place = "" if len(names) == 1 else f" in {names[channel]}"
        texts.append(f"{size}{f' {unit}' * bool(unit)}{place} ({low} to {high})")
    more = len(found) - len(texts)
    return listed([*texts, *([f"less in {counted(more, 'more channel')}"] if more else [])])


def _differences_to_json(
    differences: tuple[Difference, ...] | None,
) -> list[dict[str, float | None]] | None:
    return None if differences is None else [difference._asdict() for difference in differences]
