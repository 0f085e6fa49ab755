"""Was a search worth it? Intervals over fresh seeds, and what would settle what they leave open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import stats

from normscope.auditing.pairing import LEVEL, accuracy_lost
from normscope.findings.paired import ERROR_RATE, MARGIN, Verdict
from normscope.findings.seeds_needed import seeds_to_tell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SearchVerdict = Literal["yes", "no", "unsettled"]

LEAST_SPREAD = np.sqrt(1 / 12)
"""Standard deviation of a number within the step that it was rounded to."""

USUAL_REPLICATES = 5

FEWEST_TRIALS = 10
"""Of fewer, the best five are most of what was asked, and say nothing of where good ones lie."""

MORE_TRIALS = 50


def over_seeds(values: np.ndarray, images: int) -> dict[str, Any]:
    """The mean of an accuracy over fresh seeds.

    Args:
        values: One per seed, shape ``(seeds,)``.
        images: How many images each is a share of. Seeds may agree to the image by chance, so they
            are taken to spread by their rounding at least.

    Returns:
        ``accuracy``, its standard error ``se``, and its 95 % t ``interval`` within [0, 1]; the last
        two are None for one seed.
    """
    mean, seeds = float(values.mean()), len(values)
    if seeds < 2:
        return {"accuracy": mean, "se": None, "interval": None}
    spread = float(values.std(ddof=1))
    half = float(stats.t.ppf(1 - ERROR_RATE / 2, seeds - 1)) * max(spread, LEAST_SPREAD / images)
    half /= float(np.sqrt(seeds))
    interval = [max(0.0, mean - half), min(1.0, mean + half)]
    return {"accuracy": mean, "se": spread / float(np.sqrt(seeds)), "interval": interval}


def of_the_chosen(values: np.ndarray, images: int, looks: int) -> list[float] | None:
    """Where the mean of what was chosen among several lies, over fresh seeds.

    The choice looked at these seeds, which can only flatter it: the lower end is corrected for
    every look (Bonferroni), the upper end needs no correction.

    Args:
        values: Accuracies, or differences from a reference, of the chosen one, one per seed.
        images: How many images each is a share of.
        looks: Of how many it was chosen.

    Returns:
        The interval, which holds the truth 95 % of the time; None for one seed.

    Example:
        >>> [round(end, 3) for end in of_the_chosen(np.array([0.9, 0.91, 0.92]), 1000, 1)]
        [0.885, 0.935]
        >>> [round(end, 3) for end in of_the_chosen(np.array([0.9, 0.91, 0.92]), 1000, 5)]
        [0.853, 0.935]
    """
    seeds = len(values)
    if seeds < 2:
        return None
    unit = max(float(values.std(ddof=1)), LEAST_SPREAD / images) / float(np.sqrt(seeds))
    mean, tail = float(values.mean()), ERROR_RATE / 2
    low = mean - float(stats.t.isf(tail / looks, seeds - 1)) * unit
    return [max(-1.0, low), min(1.0, mean + float(stats.t.isf(tail, seeds - 1)) * unit)]


def over_images(best: np.ndarray, reference: np.ndarray, looks: int) -> list[float]:
    """Where the difference of two frozen networks lies, over the draw of the test images.

    The best of many was chosen on these images, which can only flatter it: its lower end is
    corrected for every look (Bonferroni), its upper end needs no correction.

    Args:
        best: Which images the chosen one gets right, shape ``(N,)``.
        reference: Likewise what it is compared with.
        looks: Of how many it is the best.

    Returns:
        The interval of the first less the second: 95 % of the time it holds the truth.
    """
    _, (_, high) = accuracy_lost(best, reference)
    _, (low, _) = accuracy_lost(best, reference, 1 - (1 - LEVEL) / looks)
    return [low, high]


def margin_of(images: int) -> float:
    """The largest difference that does not matter: 0.002, and no less than one test image.

    Args:
        images: How many test images there are.

    Returns:
        A difference of accuracies.
    """
    return max(MARGIN, 1 / images)


def search_verdict(
    references: Mapping[str, Mapping[str, Any]], margin: float
) -> tuple[SearchVerdict, str | None]:
    """Does what the search chose beat every value that nobody had to search for?

    Read off the printed intervals: ``no`` where one of them ends below the margin, so that the
    reference loses nothing that matters; else ``yes`` where all lie above 0. Each end of a 95 %
    interval is wrong 2.5 % of the time, so of two references a false ``no`` is met in 5 %.

    Args:
        references: Rows with their ``accuracy``, ``difference`` and ``difference_interval``.
        margin: The largest difference that does not matter.

    Returns:
        The verdict, and the reference that decides it: of those as good as the best, or of those
        not beaten, or of all, the one with the highest accuracy; None without any.
    """
    if not references:
        return "unsettled", None

    def highest(names: Sequence[str]) -> str:
        return max(names, key=lambda name: references[name]["accuracy"])

    enough = [name for name, row in references.items() if as_good(row, margin)]
    open_ = [name for name, row in references.items() if not beaten(row)]
    if enough:
        return "no", highest(enough)
    if open_:
        return "unsettled", highest(open_)
    return "yes", highest(list(references))


def difference_verdict(interval: Sequence[float] | None, margin: float) -> Verdict:
    """What an interval says of a difference.

    Args:
        interval: Its ends; None where there is no interval.
        margin: The largest difference that does not matter.

    Returns:
        ``equivalent`` where it lies within the margin, else ``better`` where it lies above 0,
        ``worse`` where below, and else ``open``.

    Example:
        >>> difference_verdict([-0.001, 0.001], 0.002), difference_verdict([0.001, 0.02], 0.002)
        ('equivalent', 'better')
    """
    if interval is None:
        return "open"
    low, high = interval
    if -margin < low and high < margin:
        return "equivalent"
    if low > 0:
        return "better"
    return "worse" if high < 0 else "open"


def as_good(row: Mapping[str, Any], margin: float) -> bool:
    """Whether a reference loses nothing that matters against the choice.

    Args:
        row: With its ``difference_interval``.
        margin: The largest difference that does not matter.

    Returns:
        Whether that is proved.
    """
    interval = row["difference_interval"]
    return interval is not None and interval[1] < margin


def beaten(row: Mapping[str, Any]) -> bool:
    """Whether the choice is better than a reference.

    Args:
        row: With its ``difference_interval``.

    Returns:
        Whether that is proved.
    """
    interval = row["difference_interval"]
    return interval is not None and interval[0] > 0


def what_settles(
    numbers: Mapping[str, Any], differences: Mapping[str, np.ndarray], replicates: int
) -> dict[str, int] | None:
    """What the same search would need to tell.

    Args:
        numbers: The fields of a summary.
        differences: The choice less each reference, seed by seed.
        replicates: Fresh seeds that were asked for.

    Returns:
        ``trials`` and ``replicates`` to ask for; None where all is told, or where 1,000 seeds would
        not do. Of a frozen network, that its trials are unfinished.
    """
    done = numbers["trials"] + numbers["stopped_early"]
    trials = max(numbers["wanted"], MORE_TRIALS if done < FEWEST_TRIALS else 0)
    unfinished = done < numbers["wanted"] or _seeds(differences) < replicates
    if numbers["verdict"] != "unsettled" or unfinished:
        more = unfinished or trials > numbers["wanted"]
        return {"trials": trials, "replicates": replicates} if more else None
    if numbers["frozen"]:
        return None
    if _seeds(differences) < 2:
        return {"trials": trials, "replicates": max(USUAL_REPLICATES, replicates)}
    needed = _replicates(differences, numbers["margin"], len(numbers["repeated"]))
    if needed is None:
        return None
    return {"trials": trials, "replicates": max(needed, replicates + 1)}


def _seeds(differences: Mapping[str, np.ndarray]) -> int:
    return min((len(values) for values in differences.values()), default=0)


def _replicates(differences: Mapping[str, np.ndarray], margin: float, looks: int) -> int | None:
    """To beat all the references, or to find one as good: whichever takes fewer."""

    def seeds(distance: float, values: np.ndarray, looks: int = 1) -> int | None:
        return seeds_to_tell(distance, float(values.std(ddof=1)), 0.0, ERROR_RATE / 2 / looks)

    beat = [seeds(float(values.mean()), values, looks) for values in differences.values()]
    equal = [seeds(margin - float(values.mean()), values) for values in differences.values()]
    found = [number for number in equal if number is not None]
    if None not in beat:
        found.append(max(number for number in beat if number is not None))
    return min(found, default=None)
