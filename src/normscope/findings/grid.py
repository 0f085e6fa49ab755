"""A study's accuracies on named axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from collections.abc import Iterable

    from normscope.normalization import Normalization
    from normscope.studies.specification import ScanSpec
    from normscope.trials.result import FinishedTrial


def accuracy_grid(specification: ScanSpec, trials: Iterable[FinishedTrial]) -> xr.DataArray:
    """Test accuracies by mean, std and seed.

    The axes carry their names, so that no later step can swap them, as the notebook's map does.

    Args:
        specification: The scan.
        trials: Its finished trials.

    Returns:
        dims ``("mean", "std", "seed")``, or the names of the scan's axes; NaN where a
            trial has not finished.
    """
    grid = xr.DataArray(
        np.nan,
        dims=(*(axis.name for axis in specification.axes), "seed"),
        coords={
            **{axis.name: list(axis.values) for axis in specification.axes},
            "seed": list(specification.seed_numbers()),
        },
        name="accuracy",
    )
    cells = specification.cells()
    for trial in trials:
        place = cells.get(trial.spec.normalization)
        if place is not None:
            grid[(*place, trial.spec.seed - specification.first_seed)] = trial.result.accuracy
    return grid


def cell_axes(grid: xr.DataArray) -> tuple[str, ...]:
    """The axes of a grid that are not its seeds.

    Args:
        grid: Accuracies, with or without ``seed``.

    Returns:
        Their names, such as ``("mean", "std")``.
    """
    return tuple(str(dim) for dim in grid.dims if dim != "seed")


def accuracies_at(normalization: Normalization, trials: Iterable[FinishedTrial]) -> np.ndarray:
    """Test accuracies under one normalization, on the grid or off it.

    Args:
        normalization: For example the source's own statistics.
        trials: A study's finished trials.

    Returns:
        One accuracy per finished seed, by seed.
    """
    found = {
        trial.spec.seed: trial.result.accuracy
        for trial in trials
        if trial.spec.normalization == normalization
    }
    return np.array([found[seed] for seed in sorted(found)])
