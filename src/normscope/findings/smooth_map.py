"""A smooth map of accuracy that does not chase noise, with its uncertainty."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from scipy.special import expit
from threadpoolctl import threadpool_limits

from normscope.quiet import without_warnings

POINTS = 41

MOST_WEIGHED = 400
"""Cells by which the kernel's parameters are chosen: the time that takes grows with their cube."""

LEAST = 1e-4
"""An accuracy of 0 or 1 is moved in by so much, and no error is smaller."""


def smooth_map(
    accuracies: np.ndarray,
    errors: np.ndarray,
    axes: tuple[np.ndarray, np.ndarray],
    log: tuple[bool, bool],
) -> xr.Dataset:
    """Fit a Gaussian process to the cells, each with its own standard error.

    On the logit of accuracy, where a fall to chance and a difference near 1 have comparable
    heights. The kernel is a Matern 5/2 with one length per axis (Rasmussen and Williams, *Gaussian
    Processes for Machine Learning*, 2006, section 5.4.1), whose parameters maximize the likelihood,
    of 400 cells drawn by a fixed seed where there are more.

    Args:
        accuracies: Of the cells, std varying fastest, shape ``(cells,)``.
        errors: Their standard errors, of that shape.
        axes: The grid's means and stds, increasing, at least two of each.
        log: Whether each axis is to be read on a log scale.

    Returns:
        ``accuracy``, and ``low`` and ``high`` of its 95 % interval, dims ``("mean", "std")``, on 41
        points an axis.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    places = [np.log(a) if is_log else a for a, is_log in zip(axes, log, strict=True)]
    unit = [(p - p[0]) / (p[-1] - p[0]) for p in places]
    where = np.stack(np.meshgrid(*unit, indexing="ij"), axis=-1).reshape(-1, 2)
    accuracy = np.clip(accuracies, LEAST, 1 - LEAST)
    slope = 1 / (accuracy * (1 - accuracy))
    logit = np.log(accuracy / (1 - accuracy))
    variance = np.maximum(errors, LEAST) ** 2 * slope**2
    centre, scale = logit.mean(), logit.std() or 1.0
    height = (logit - centre) / scale
    noise: Any = variance / scale**2 + 1e-9
    lengths: Any = [0.5, 0.5]
    kernel = ConstantKernel(1.0, (1e-3, 1e3)) * Matern(lengths, (0.05, 20), nu=2.5)

    def fitted_to(cells: np.ndarray, **how: Any) -> GaussianProcessRegressor:
        process = GaussianProcessRegressor(kernel, alpha=noise[cells], random_state=0, **how)
        return process.fit(where[cells], height[cells])

    every = np.arange(len(where))
    some = np.random.default_rng(0).permutation(every)[:MOST_WEIGHED]
    fine = np.linspace(0, 1, POINTS)
    points = np.stack(np.meshgrid(fine, fine, indexing="ij"), axis=-1).reshape(-1, 2)
    # A length at its bound means that an axis does not matter, which is a finding, not a fault.
    # Threads take four times the processor time of one on a busy machine.
    with without_warnings(ConvergenceWarning), threadpool_limits(1, user_api="blas"):
        process = fitted_to(np.sort(some), n_restarts_optimizer=2)
        if len(every) > len(some):
            kernel = process.kernel_
            process = fitted_to(every, optimizer=None)
        fitted, error = (np.asarray(v) for v in process.predict(points, return_std=True))
    levels = {"accuracy": 0.0, "low": -1.96, "high": 1.96}
    coords = {
        name: (np.geomspace if is_log else np.linspace)(a[0], a[-1], POINTS)
        for name, a, is_log in zip(("mean", "std"), axes, log, strict=True)
    }
    return xr.Dataset(
        {
            name: (
                ("mean", "std"),
                expit(centre + scale * (fitted + z * error)).reshape(POINTS, POINTS),
            )
            for name, z in levels.items()
        },
        coords=coords,
    )
