"""Every trial of a search as a line across its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from normscope.figures.search_contours import DARKEST_PERCENTILE
from normscope.wording import counted

if TYPE_CHECKING:
    from normscope.studies.ranges import Range
    from normscope.studies.search_study import SearchStudy


@dataclass(frozen=True)
class SearchCoordinates:
    """What the figure shows.

    Attributes:
        over: The parameters, in the order of the axes.
        places: Of each trial's values in the ranges, shape ``(trials, parameters)``, the best
            trial last.
        scores: Shape ``(trials,)``, increasing.
        chosen_on: The split whose accuracy it is.
        title: What was searched.
    """

    over: tuple[Range, ...]
    places: np.ndarray
    scores: np.ndarray
    chosen_on: str
    title: str


def search_coordinates(study: SearchStudy) -> SearchCoordinates:
    """The numbers of the figure."""
    specification = study.specification
    trials = sorted(study.trials(), key=lambda trial: trial.score)
    over = specification.over
    return SearchCoordinates(
        over=over,
        places=np.array([[r.share(t.values[r.name]) for r in over] for t in trials]),
        scores=np.array([t.score for t in trials]),
        chosen_on=specification.chosen_on,
        title=f"{counted(len(trials), 'trial')} of {specification.trial.model} on "
        f"{specification.trial.source}",
    )


def draw_search_coordinates(numbers: SearchCoordinates) -> Figure:
    """Draw the lines, the best on top, each axis with its own range, 5 inches high."""
    count = len(numbers.over)
    figure = Figure(figsize=(2.5 + 1.3 * count, 5), layout="constrained")
    axes = figure.add_subplot()
    axis = np.arange(count)
    low, high = np.percentile(numbers.scores, DARKEST_PERCENTILE), numbers.scores[-1]
    lines = LineCollection(
        [np.column_stack([axis, row]) for row in numbers.places], cmap="cividis", alpha=0.7, lw=1.2
    )
    lines.set_array(numbers.scores)
    lines.set_clim(low, high if high > low else low + 1e-3)
    axes.add_collection(lines)
    axes.plot(axis, numbers.places[-1], "*-", color="tab:red", ms=10, label="best trial")
    for x, range_ in enumerate(numbers.over):
        axes.axvline(x, color="grey", lw=0.8)
        for place, value in ((0, range_.low), (1, range_.high)):
            axes.annotate(
                f"{value:g}", (x, place), xytext=(0, 10 if place else -10),
                textcoords="offset points", ha="center", va="center", fontsize=9,
            )  # fmt: skip
    axes.set_xticks(axis, [r.name + (" (log)" if r.log else "") for r in numbers.over])
    axes.tick_params(axis="x", pad=18)
    axes.set_yticks([])
    axes.set(xlim=(-0.3, count - 0.7), ylim=(-0.1, 1.1), title=numbers.title)
    figure.legend(loc="outside lower center", frameon=False)
    figure.colorbar(lines, ax=axes, label=f"{numbers.chosen_on} accuracy", extend="min")
    return figure
