"""How much of the accuracy's variation lies between cells, and how much between seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.findings.scan_results import cell_axes

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class MeanSquares:
    """The two-way analysis of variance of cells and seeds, without replication.

    Attributes:
        cell: Mean square of cells.
        seed: Mean square of seeds.
        residual: Mean square of what neither explains.
        cells: How many cells.
        seeds: How many seeds.
    """

    cell: float
    seed: float
    residual: float
    cells: int
    seeds: int


def mean_squares(accuracies: np.ndarray) -> MeanSquares | None:
    """The mean squares of a table of cells and seeds.

    Args:
        accuracies: Shape ``(C, S)``.

    Returns:
        Them, or None with fewer than two cells or seeds.
    """
    cells, seeds = accuracies.shape
    if cells < 2 or seeds < 2:
        return None
    cell_means = accuracies.mean(axis=1, keepdims=True)
    seed_means = accuracies.mean(axis=0, keepdims=True)
    residuals = accuracies - cell_means - seed_means + accuracies.mean()
    return MeanSquares(
        cell=float(seeds * cell_means.var(ddof=1)),
        seed=float(cells * seed_means.var(ddof=1)),
        residual=float((residuals**2).sum() / ((cells - 1) * (seeds - 1))),
        cells=cells,
        seeds=seeds,
    )


def seed_std(grid: xr.DataArray) -> float | None:
    """The pooled standard deviation between seeds within a cell.

    Args:
        grid: Accuracies, dims ``("mean", "std", "seed")``.

    Returns:
        The root of the mean within-cell variance (with n - 1), or None with fewer than two seeds.
    """
    if grid.sizes["seed"] < 2:
        return None
    return float(np.sqrt(grid.var("seed", ddof=1).mean()))


def cell_std(grid: xr.DataArray) -> float | None:
    """The between-cell variance component, as a standard deviation.

    Cells share their seeds, so the layout is two-way: what a seed adds to every cell alike does not
    move one cell's mean against another's. The component is therefore
    ``(MS_cell - MS_residual) / seeds`` with the residual of cell and seed, not the one-way
    ``(MS_cell - MS_within) / seeds``, which would take the seeds' common part off a second time
    (Searle, Casella and McCulloch, Variance Components, 1992, doi:10.1002/9780470316856).

    Args:
        grid: Accuracies, dims ``("mean", "std", "seed")``, all finished.

    Returns:
        At least 0, or None with fewer than two seeds or two cells.
    """
    squares = mean_squares(grid.stack(cell=cell_axes(grid)).transpose("cell", "seed").to_numpy())
    if squares is None:
        return None
    return float(np.sqrt(max(0.0, (squares.cell - squares.residual) / squares.seeds)))
