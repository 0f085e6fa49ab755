"""How a search went on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from normscope.studies.search_study import SearchStudy


@dataclass(frozen=True)
class SearchHistory:
    """What the figure shows.

    Attributes:
        order: The trials' numbers, from 0, as the page's table has them, shape ``(trials,)``.
        scores: Of these trials, same shape.
        best_so_far: The running maximum, same shape.
        honest: The score of the best configuration with fresh seeds, and its standard error.
        chosen_on: The split whose accuracy it is.
        title: What was searched.
    """

    order: np.ndarray
    scores: np.ndarray
    best_so_far: np.ndarray
    honest: tuple[float, float | None] | None
    chosen_on: str
    title: str


def search_history(study: SearchStudy, honest: dict | None) -> SearchHistory:
    """The numbers of the figure.

    Args:
        study: A search with finished trials.
        honest: The summary's ``honest_best``.

    Returns:
        What it shows.
    """
    trials = study.trials()
    scores = np.array([trial.score for trial in trials])
    specification = study.specification
    return SearchHistory(
        order=np.array([trial.number for trial in trials]),
        scores=scores,
        best_so_far=np.maximum.accumulate(scores),
        honest=None if honest is None else (honest["score"], honest["score_se"]),
        chosen_on=specification.chosen_on,
        title=f"{specification.sampler} on {specification.trial.model}, "
        f"{specification.trial.source}",
    )


def draw_search_history(numbers: SearchHistory) -> Figure:
    """Draw each trial, the best so far, and what the best is worth with fresh seeds.

    Returns:
        A figure of 6.4 x 4.4 inches, which can be read 390 pixels wide.
    """
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(numbers.order, numbers.scores, "o", ms=4, color="tab:blue", alpha=0.7, label="trial")
    best = numbers.best_so_far
    axes.step(numbers.order, best, where="post", color="tab:red", label="best so far")
    if numbers.honest is not None:
        value, se = numbers.honest
        axes.axhline(value, color="black", ls="--", lw=1, label="best, with fresh seeds")
        if se is not None:
            axes.axhspan(value - se, value + se, color="black", alpha=0.15, lw=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="trial", ylabel=f"{numbers.chosen_on} accuracy", title=numbers.title)
    # A few failed trials would flatten all the others; they lie below the axis.
    low, high = np.percentile(numbers.scores, 5), numbers.scores.max()
    if numbers.honest is not None:
        low, high = min(low, numbers.honest[0]), max(high, numbers.honest[0])
    margin = max(0.1 * (high - low), 1e-3)
    axes.set_ylim(low - margin, high + margin)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure
