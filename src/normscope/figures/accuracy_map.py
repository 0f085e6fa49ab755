"""The map of accuracy over mean and std."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from normscope.findings.grid import accuracy_grid
from normscope.findings.summary import whole_seeds

if TYPE_CHECKING:
    import xarray as xr

    from normscope.studies.study import Study

MOST_LABELLED_CELLS = 64
"""Above this, numbers written into cells would overlap."""


@dataclass(frozen=True)
class AccuracyMap:
    """What the map shows.

    Attributes:
        accuracy: Cell means, dims ``("mean", "std")``.
        best: Mean and std of the cell with the highest accuracy.
        data: Mean and std of the source's own statistics, where it has one channel.
        title: What was trained on what.
    """

    accuracy: xr.DataArray
    best: tuple[float, float]
    data: tuple[float, float] | None
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
    accuracy = grid.mean("seed")
    best = accuracy.isel({d: int(i) for d, i in accuracy.argmax(...).items()})
    data = specification.data
    seeds = grid.sizes["seed"]
    return AccuracyMap(
        accuracy=accuracy,
        best=(float(best["mean"]), float(best["std"])),
        data=(data.mean[0], data.std[0]) if data.channels == 1 else None,
        title=f"Test accuracy of {specification.model} on {specification.source}, "
        f"mean of {seeds} seed{'s' if seeds != 1 else ''}",
    )


def draw_accuracy_map(numbers: AccuracyMap) -> Figure:
    """Draw the map: mean to the right, std upwards on a log axis.

    Args:
        numbers: What it shows.

    Returns:
        A figure of 8 x 6 inches.
    """
    figure = Figure(figsize=(8, 6), layout="constrained")
    axes = figure.add_subplot()
    mean, std = numbers.accuracy["mean"].to_numpy(), numbers.accuracy["std"].to_numpy()
    rows = numbers.accuracy.transpose("std", "mean").to_numpy()
    mesh = axes.pcolormesh(
        _edges(mean), np.exp(_edges(np.log(std))), rows, cmap="cividis", shading="flat"
    )
    axes.set_yscale("log")
    if min(rows.shape) > 1 and np.ptp(rows) > 0:
        axes.contour(mean, std, rows, levels=6, colors="white", linewidths=0.7, alpha=0.7)
    if rows.size <= MOST_LABELLED_CELLS:
        _label_cells(axes, mean, std, rows)
    axes.plot(*numbers.best, "*", ms=20, mfc="none", mec="tab:red", mew=2, label="best cell")
    if numbers.data is not None:
        axes.plot(
            *numbers.data,
            "o",
            ms=11,
            mfc="none",
            mec="tab:cyan",
            mew=2.5,
            label="the source's own statistics",
        )
    axes.set(xlabel="mean", ylabel="std", title=numbers.title)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, frameon=False)
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
