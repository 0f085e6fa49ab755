"""Was a search worth it? And what would settle what it leaves open."""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from normscope.findings.comparison import ERROR_RATE, Verdict, verdict
from normscope.findings.distributions import normal_quantile, t_quantile
from normscope.findings.losses import MOST_SEEDS, POWER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from normscope.findings.search_findings import SearchSummary, SearchVerdict


EVERYTHING = (-math.inf, math.inf)
"""Where an unknown difference lies."""

USUAL_REPLICATES = 5

FEWEST_TRIALS = 10
"""Of fewer, the best five are most of what was asked, and say nothing of where good ones lie."""

MORE_TRIALS = 50


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

    enough = [name for name, row in references.items() if lost_to(row)[1] < margin]
    open_ = [name for name, row in references.items() if lost_to(row)[0] <= 0]
    if enough:
        return "no", highest(enough)
    if open_:
        return "unsettled", highest(open_)
    return "yes", highest(list(references))


def difference_verdict(interval: Sequence[float] | None, margin: float) -> Verdict:
    """What an interval says of a difference."""
    low, high = interval or EVERYTHING
    return verdict(-margin < low and high < margin, low > 0 or high < 0, low)


def lost_to(row: Mapping[str, Any]) -> Sequence[float]:
    """What a reference loses against the choice: the ends of its ``difference_interval``."""
    return row["difference_interval"] or EVERYTHING


def what_settles(
    found: SearchSummary, differences: Mapping[str, np.ndarray], replicates: int
) -> dict[str, int] | None:
    """What the same search would need to tell.

    Returns:
        ``trials`` and ``replicates`` to ask for; None where all is told, or where 1,000 seeds would
        not do. Of a frozen network, that its trials are unfinished.
    """
    seeds = min((len(values) for values in differences.values()), default=0)
    trials = max(found.wanted, MORE_TRIALS if found.done < FEWEST_TRIALS else 0)
    unfinished = found.done < found.wanted or seeds < replicates
    if found.verdict != "unsettled" or unfinished:
        more = unfinished or trials > found.wanted
        return {"trials": trials, "replicates": replicates} if more else None
    if found.frozen:
        return None
    if seeds < 2:
        return {"trials": trials, "replicates": max(USUAL_REPLICATES, replicates)}
    needed = _replicates(differences, found.margin, len(found.repeated))
    if needed is None:
        return None
    return {"trials": trials, "replicates": max(needed, replicates + 1)}


def _replicates(differences: Mapping[str, np.ndarray], margin: float, looks: int) -> int | None:
    """To beat all the references, or to find one as good: whichever takes fewer."""

    def seeds(distance: float, values: np.ndarray, looks: int = 1) -> int | None:
        return seeds_to_tell(distance, float(values.std(ddof=1)), ERROR_RATE / 2 / looks)

    beat = [seeds(float(values.mean()), values, looks) for values in differences.values()]
    equal = [seeds(margin - float(values.mean()), values) for values in differences.values()]
    found = [number for number in equal if number is not None]
    if None not in beat:
        found.append(max(number for number in beat if number is not None))
    return min(found, default=None)


def seeds_to_tell(distance: float, std: float, rate: float = ERROR_RATE) -> int | None:
    """Seeds with which a one-sided t test would find a mean on its side of a bound.

    Args:
        distance: How far the mean is from the bound, as far as is known now.
        std: Standard deviation of one seed.
        rate: The test's error rate.

    Returns:
        The fewest that succeed 8 times in 10; None where 1,000 would not do.

    Example:
        >>> seeds_to_tell(1.0, 1.0)
        8
    """
    enough = normal_quantile(POWER)

    def tells(seeds: int) -> bool:
        t = float(t_quantile(1 - rate, seeds - 1))
        return distance > 0 and distance >= (t + enough) * std / math.sqrt(seeds)

    if not tells(MOST_SEEDS):
        return None
    return 3 + bisect_left(range(3, MOST_SEEDS), x=True, key=tells)
