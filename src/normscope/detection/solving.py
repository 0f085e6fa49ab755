"""The normalization that fits best: a robust solve from several starting scales."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import least_squares

if TYPE_CHECKING:
    from normscope.detection.system import System

STARTING_MEAN = 0.45
STARTING_STDS = tuple(np.geomspace(1 / 255, 1, 6))
"""From pixels of 0..255 left as they are to pixels of [0, 1] left as they are."""

OUTLIER = 0.05
"""Residuals above it count by their size, not their square: filters that died or still move."""

MOST_EVALUATIONS, MOST_RUNS = 100, 12
"""The second where every evaluation runs a network."""


def solve(system: System, starts: list[np.ndarray] | None = None) -> np.ndarray:
    """Solve the overdetermined system.

    The unknown std is a logarithm, so that it stays positive. The loss is SciPy's ``soft_l1``,
    as a few filters of a network are far off: those that died, and those that still moved when
    the training ended.

    Args:
        system: The equations.
        starts: Where to start; grey at several scales by default.

    Returns:
        The unknowns of the lowest loss, shape ``(2 C,)``.
    """
    channels = system.channels
    evaluations = MOST_RUNS
    if starts is None:
        evaluations = MOST_EVALUATIONS
        mean = np.full(channels, STARTING_MEAN)
        starts = [np.r_[mean, np.full(channels, np.log(std))] for std in STARTING_STDS]
    # A step that leads out of what floats hold is taken back and made shorter.
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        solutions = [
            least_squares(
                system.residual, start, jac=system.jacobian, loss="soft_l1",  # type: ignore[arg-type]
                f_scale=OUTLIER, max_nfev=evaluations,
            )
            for start in starts
        ]  # fmt: skip
    return min(solutions, key=lambda solution: solution.cost).x
