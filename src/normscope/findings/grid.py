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

    The axes carry their names, so that no later step can swap them, as the notebook's map and
    centre of mass do.

    Args:
        specification: The scan.
        trials: Its finished trials.

    Returns:
        dims ``("mean", "std", "seed")``; NaN where a trial has not finished.
    """
    grid = xr.DataArray(
        np.nan,
        dims=("mean", "std", "seed"),
        coords={
            "mean": list(specification.mean.values),
            "std": list(specification.std.values),
            "seed": list(range(specification.seeds)),
        },
        name="accuracy",
    )
    means = {value: i for i, value in enumerate(specification.mean.values)}
    stds = {value: j for j, value in enumerate(specification.std.values)}
    for trial in trials:
        normalization = trial.spec.normalization
        if normalization.channels > 1:
            continue
        i, j = means.get(normalization.mean[0]), stds.get(normalization.std[0])
        if i is not None and j is not None:
            grid[i, j, trial.spec.seed] = trial.result.accuracy
    return grid


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
