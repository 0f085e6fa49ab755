"""Do the good configurations of a search meet in a point, or scatter over the range?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.studies.ranges import Range
    from normscope.studies.search_study import SearchTrial

GOOD_SHARE = 0.1
FEWEST_GOOD = 5

UNIFORM_SPREAD = 1 / np.sqrt(12)
"""The standard deviation of a number drawn evenly from [0, 1]: the spread of the whole range."""

CONVERGES_BELOW = 0.25
SCATTERS_FROM = 0.5
"""Of the whole range's spread. A choice: a quarter of it spans about a quarter of the range."""

Pattern = Literal["converges", "narrows", "scatters"]


@dataclass(frozen=True)
class GoodParameter:
    """Where the good configurations lie along one parameter.

    Attributes:
        median: Of their values.
        low: Their least value.
        high: Their greatest value.
        spread: Standard deviation of their places in the range, over that of the whole range.
        asked_spread: Likewise for all trials: a sampler asks more often where it found good ones.
        pattern: ``"converges"`` below a quarter, ``"scatters"`` from a half, else ``"narrows"``.
    """

    median: float
    low: float
    high: float
    spread: float
    asked_spread: float
    pattern: Pattern


@dataclass(frozen=True)
class GoodConfigurations:
    """The best tenth of a search's trials, at least five.

    Attributes:
        trials: How many they are.
        score_from: The least of their scores.
        parameters: What they say, by parameter.
    """

    trials: int
    score_from: float
    parameters: dict[str, GoodParameter]


def good_configurations(
    trials: Sequence[SearchTrial], over: Sequence[Range], stopped: Sequence[SearchTrial] = ()
) -> GoodConfigurations:
    """Look where the best of a search lie.

    Args:
        trials: Its finished trials, at least one.
        over: What it varied.
        stopped: Those that were asked as well and found too poor to go on with.

    Returns:
        The spread of the best tenth, per parameter.
    """
    ranked = sorted(trials, key=lambda trial: (-trial.score, trial.number))
    good = ranked[: max(FEWEST_GOOD, round(GOOD_SHARE * (len(ranked) + len(stopped))))]
    parameters = {}
    for range_ in over:
        values = np.array([trial.values[range_.name] for trial in good])
        spread = _spread(range_, good)
        parameters[range_.name] = GoodParameter(
            median=float(np.median(values)),
            low=float(values.min()),
            high=float(values.max()),
            spread=spread,
            asked_spread=_spread(range_, [*ranked, *stopped]),
            pattern=_pattern(spread),
        )
    return GoodConfigurations(len(good), good[-1].score, parameters)


def _spread(range_: Range, trials: Sequence[SearchTrial]) -> float:
    places = [range_.share(trial.values[range_.name]) for trial in trials]
    return float(np.std(places) / UNIFORM_SPREAD)


def _pattern(spread: float) -> Pattern:
    if spread < CONVERGES_BELOW:
        return "converges"
    return "scatters" if spread >= SCATTERS_FROM else "narrows"
