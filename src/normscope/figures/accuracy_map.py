"""The map of accuracy over mean and std."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from normscope.findings.grid import accuracy_grid, cell_axes
from normscope.findings.summary import whole_seeds
from normscope.studies.parameters import PARAMETERS, Point

if TYPE_CHECKING:
    import xarray as xr

    from normscope.normalization import Normalization
    from normscope.studies.study import Study

MOST_LABELLED_CELLS = 64
"""Above this, numbers written into cells would overlap."""


@dataclass(frozen=True)
class AccuracyMap:
    """What the map shows.

    Attributes:
        accuracy: Cell means over two axes, dims ``("mean", "std")`` or those of single channels;
            the best over any other axes.
        best: Where the cell with the highest accuracy lies.
        data: Where the source's own statistics lie, one point for each different channel.
        expected: Likewise what the model's library says its weights expect.
        title: What was trained on what.
    """

    accuracy: xr.DataArray
    best: tuple[float, float]
    data: tuple[tuple[float, float], ...]
    expected: tuple[tuple[float, float], ...]
    title: str


def accuracy_map(study: Study) -> AccuracyMap:
    """The numbers of the map.

    Args:
        study: A scan with at least one seed finished in every cell.

    Returns:
        What the map shows.
    """
    specification = study.specification
    grid = whole_seeds(accuracy_grid(specification, study.trials()))
    accuracy = _over_two_axes(grid.mean("seed"))
    best = accuracy.isel({d: int(i) for d, i in accuracy.argmax(...).items()})
    x, y = cell_axes(accuracy)
    expected = specification.expected
    seeds, trains = grid.sizes["seed"], specification.recipe.trains
    return AccuracyMap(
        accuracy=accuracy,
        best=(float(best[x]), float(best[y])),
        data=_points(specification.data, x, y),
        expected=_points(expected, x, y) if expected else (),
        title=f"Test accuracy of {specification.model} on {specification.source}, "
        + (f"mean of {seeds} seed{'s' if seeds != 1 else ''}" if trains else "frozen, not trained"),
    )


def _over_two_axes(accuracy: xr.DataArray) -> xr.DataArray:
    """The first two axes with the best over the others; an axis alone gets one of length 1."""
    axes = cell_axes(accuracy)
    if len(axes) == 1:
        other = "std" if axes[0].startswith("mean") else "mean"
        accuracy = accuracy.expand_dims({f"any {other}": [0.5]}, axis=1)
    return accuracy.max(axes[2:]) if len(axes) > 2 else accuracy


def _points(normalization: Normalization, x: str, y: str) -> tuple[tuple[float, float], ...]:
    """Where a normalization lies on two axes: once, or once for each different channel."""
    if (x, y) == ("mean", "std"):
        return tuple(dict.fromkeys(zip(normalization.mean, normalization.std, strict=True)))
    point = Point(normalization)
    place = [point.value(axis) if axis in PARAMETERS else 0.5 for axis in (x, y)]
    return () if place[0] is None or place[1] is None else ((place[0], place[1]),)


def draw_accuracy_map(numbers: AccuracyMap) -> Figure:
    """Draw the map: mean to the right, std upwards on a log axis, or two axes of single channels.

    Args:
        numbers: What it shows.

    Returns:
        A figure of 8 x 6 inches.
    """
    figure = Figure(figsize=(8, 6), layout="constrained")
    axes = figure.add_subplot()
    x, y = cell_axes(numbers.accuracy)
    mean, std = numbers.accuracy[x].to_numpy(), numbers.accuracy[y].to_numpy()
    rows = numbers.accuracy.transpose(y, x).to_numpy()
    log = y.startswith("std")
    heights = np.exp(_edges(np.log(std))) if log else _edges(std)
    mesh = axes.pcolormesh(_edges(mean), heights, rows, cmap="cividis", shading="flat")
    axes.set_yscale("log" if log else "linear")
    if min(rows.shape) > 1 and np.ptp(rows) > 0:
        axes.contour(mean, std, rows, levels=6, colors="white", linewidths=0.7, alpha=0.7)
    if rows.size <= MOST_LABELLED_CELLS:
        _label_cells(axes, mean, std, rows)
    axes.plot(*numbers.best, "*", ms=20, mfc="none", mec="tab:red", mew=2, label="best cell")
    for points, marker, colour, label in (
        (numbers.data, "o", "tab:cyan", "the source's own statistics"),
        (numbers.expected, "D", "tab:orange", "what the weights expect"),
    ):
        if points:
            axes.plot(
                *np.transpose(points), marker, ms=11, mfc="none", mec=colour, mew=2.5, label=label
            )
    axes.set(xlabel=x, ylabel=y, title=numbers.title)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=3, frameon=False)
    figure.colorbar(mesh, ax=axes, label="test accuracy")
    return figure


def _edges(centres: np.ndarray) -> np.ndarray:
    """Borders halfway between neighbouring centres."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    inner = (centres[:-1] + centres[1:]) / 2
    return np.concatenate([[2 * centres[0] - inner[0]], inner, [2 * centres[-1] - inner[-1]]])


def _label_cells(axes, mean: np.ndarray, std: np.ndarray, rows: np.ndarray) -> None:
    middle = (rows.min() + rows.max()) / 2
    for i, s in enumerate(std):
        for j, m in enumerate(mean):
            colour = "black" if rows[i, j] > middle else "white"
            axes.annotate(
                f"{rows[i, j]:.3f}",
                (m, s),
                xytext=(0, -16),
                textcoords="offset points",
                ha="center",
                va="center",
                color=colour,
                fontsize=8,
            )
