"""Accuracy over every pair of searched parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from matplotlib.tri import Triangulation

from normscope.studies.search_work import references
from normscope.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from normscope.studies.ranges import Range
    from normscope.studies.search_study import SearchStudy

MOST_PAIRS = 10
"""All pairs of five parameters; of more, the figure would show none of them well."""

FEWEST_FOR_A_MAP = 20
"""Between fewer trials a map would be large triangles, which show what nobody measured."""

DOTS = {True: 16, False: 60}
"""Their areas with a map and without one."""

DARKEST_PERCENTILE = 10
"""Below it all is drawn alike: a few failed trials would take the colours of all others."""

MARKS = {"data": "o", "half": "s", "default": "o"}


@dataclass(frozen=True)
class ContourPanel:
    """One pair of parameters.

    Attributes:
        x: The parameter to the right.
        y: The parameter upwards.
        values: Of the trials, shape ``(trials, 2)``.
        places: The same as shares of the two ranges.
        references: Points to mark, by name.
    """

    x: Range
    y: Range
    values: np.ndarray
    places: np.ndarray
    references: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class SearchContours:
    """What the figure shows.

    Attributes:
        panels: The pairs, in rows.
        columns: How many stand side by side.
        scores: Of the trials, shape ``(trials,)``.
        chosen_on: The split whose accuracy it is.
        title: What was searched.
    """

    panels: tuple[ContourPanel, ...]
    columns: int
    scores: np.ndarray
    chosen_on: str
    title: str


def pairs(over: Sequence[Range]) -> tuple[list[tuple[Range, Range]], int]:
    """The pairs that a search's figure shows.

    Returns:
        Each mean of a channel by each std of one where channels are searched one by one, three a
        row; else all pairs, where they are few enough. And how many stand side by side.
    """
    means = [r for r in over if r.name.startswith("mean-")]
    stds = [r for r in over if r.name.startswith("std-")]
    if means and stds:
        order = "rgb".index
        means.sort(key=lambda r: order(r.name[-1]))
        stds.sort(key=lambda r: order(r.name[-1]))
        return [(mean, std) for std, mean in product(stds, means)], len(means)
    found = list(combinations(over, 2))[:MOST_PAIRS]
    return found, min(3, max(1, len(found)))


def known_values(study: SearchStudy) -> dict[str, dict[str, float]]:
    """Where the values lie that nobody had to search for."""
    from normscope.studies.parameters import POINT_PARAMETERS, point_of

    searched = [r.name for r in study.specification.over if r.name in POINT_PARAMETERS]
    found = {}
    for name, spec in references(study.specification).items():
        numbers = {parameter: point_of(spec).value(parameter) for parameter in searched}
        found[name] = {p: value for p, value in numbers.items() if value is not None}
    return found


def search_contours(study: SearchStudy) -> SearchContours:
    """The numbers of the figure.

    Args:
        study: A search with finished trials.

    Returns:
        What it shows; no panel where one parameter was searched.
    """
    specification, trials = study.specification, study.trials()
    found, columns = pairs(specification.over)
    panels = []
    for x, y in found:
        values = np.array([[t.values[x.name], t.values[y.name]] for t in trials])
        places = np.array([[x.share(a), y.share(b)] for a, b in values])
        panels.append(ContourPanel(x, y, values, places, _marked(study, x, y)))
    return SearchContours(
        panels=tuple(panels),
        columns=columns,
        scores=np.array([trial.score for trial in trials]),
        chosen_on=specification.chosen_on,
        title=f"{counted(len(trials), 'trial')} of {specification.trial.model} on "
        f"{specification.trial.source}",
    )


def draw_search_contours(numbers: SearchContours) -> Figure:
    """Draw the trials as dots, a map between them where they are many, the best as a star.

    Args:
        numbers: What it shows, at least one panel.

    Returns:
        A figure of 4.2 x 3.6 inches a panel.
    """
    rows = math.ceil(len(numbers.panels) / numbers.columns)
    figure = Figure(figsize=(1.5 + 4.2 * numbers.columns, 0.7 + 3.6 * rows), layout="constrained")
    grid = figure.subplots(rows, numbers.columns, squeeze=False).ravel()
    low, high = np.percentile(numbers.scores, DARKEST_PERCENTILE), numbers.scores.max()
    levels = np.linspace(low, high if high > low else low + 1e-3, 13)
    best = int(numbers.scores.argmax())
    shown = None
    for axes, panel in zip(grid, numbers.panels, strict=False):
        triangles = _triangles(panel)
        if triangles is not None:
            axes.tricontourf(triangles, numbers.scores, levels=levels, cmap="cividis", extend="min")
        shown = axes.scatter(
            *panel.values.T, c=numbers.scores, cmap="cividis", vmin=levels[0],
            vmax=levels[-1], s=DOTS[triangles is not None], edgecolors="white", linewidths=0.5,
        )  # fmt: skip
        _mark(axes, panel, panel.values[best])
    for axes in grid[len(numbers.panels) :]:
        axes.set_axis_off()
    if shown is not None:
        figure.colorbar(shown, ax=list(grid), label=f"{numbers.chosen_on} accuracy", extend="min")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(numbers.title)
    return figure


def _triangles(panel: ContourPanel) -> Triangulation | None:
    if len(panel.places) < FEWEST_FOR_A_MAP:
        return None
    # Neighbours are found in shares of the ranges, as the eye sees them on these axes.
    try:
        near = Triangulation(*panel.places.T)
        return Triangulation(*panel.values.T, triangles=near.triangles)
    except (RuntimeError, ValueError):
        return None  # all trials lie on one line


def _mark(axes: Axes, panel: ContourPanel, best: np.ndarray) -> None:
    axes.plot(*best, "*", ms=16, mfc="none", mec="tab:red", mew=1.8, ls="", label="best trial")
    for name, point in panel.references.items():
        axes.plot(*point, MARKS[name], ms=9, mfc="none", mec="tab:cyan", mew=2, ls="", label=name)
    axes.set_xscale("log" if panel.x.log else "linear")
    axes.set_yscale("log" if panel.y.log else "linear")
    for axis, range_ in ((axes.xaxis, panel.x), (axes.yaxis, panel.y)):
        if range_.log:  # matplotlib's own powers of ten run into each other
            ticks = np.geomspace(range_.low, range_.high, 4)
            axis.set_ticks(ticks, [f"{tick:.2g}" for tick in ticks])
            axis.set_minor_locator(NullLocator())
    axes.set(
        xlabel=panel.x.name, ylabel=panel.y.name,
        xlim=(panel.x.low, panel.x.high), ylim=(panel.y.low, panel.y.high),
    )  # fmt: skip


def _marked(study: SearchStudy, x: Range, y: Range) -> dict[str, tuple[float, float]]:
    found = {}
    for name, values in known_values(study).items():
        a, b = values.get(x.name), values.get(y.name)
        if a is not None and b is not None and x.low <= a <= x.high and y.low <= b <= y.high:
            found[name] = (a, b)
    return found
