"""The grid value by value of one axis, over all values of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from normscope.findings.trial_table import TrialTable
    from normscope.findings.variance_shares import Share
    from normscope.studies.axis import Axis

LEADING = 0.3
"""An axis with surely this share of the variation is told of by itself."""


@dataclass(frozen=True)
class Leading:
    """The axis that most of the variation goes with.

    Attributes:
        axis: Its name.
        worst: Its value with the lowest accuracy, averaged over the other axes.
        worst_accuracy: That average, over cells of which some training learned.
        best: Its value with the highest.
        best_accuracy: That average.
    """

    axis: str
    worst: float
    worst_accuracy: float
    best: float
    best_accuracy: float


def slices(table: TrialTable, axes: Sequence[Axis]) -> dict[str, np.ndarray]:
    """The cells of each value of each axis.

    Returns:
        For each axis masks of rows, bool, shape ``(values, rows)``.
    """
    shape = [len(axis.values) for axis in axes]
    places = np.unravel_index(np.arange(table.cells), shape)
    rows = len(table.normalizations)
    return {
        axis.name: np.arange(len(axis.values))[:, None]
        == np.concatenate([place, np.full(rows - table.cells, -1)])
        for axis, place in zip(axes, places, strict=True)
    }


def leading(
    table: TrialTable, axes: Sequence[Axis], shares: Mapping[str, Share] | None
) -> Leading | None:
    """The axis that most of the variation goes with, from its worst value to its best.

    Returns:
        The axis, or None where none surely has ``LEADING`` of the variation, where several axes
        share it, or where a slice has no training that learned.
    """
    found = [(shares[a.name].low, a) for a in axes if shares and a.name in shares]
    low, axis = max(found, key=lambda pair: pair[0], default=(0.0, None))
    if axis is None or low < LEADING or len(axes) != len(found):
        return None
    weights = table.learned
    averages = np.array(
        [
            table.accuracies[mask][weights[mask]].mean() if weights[mask].any() else np.nan
            for mask in slices(table, axes)[axis.name]
        ]
    )
    if np.isnan(averages).any():
        return None
    worst, best = int(averages.argmin()), int(averages.argmax())
    return Leading(
        axis.name, axis.values[worst], averages[worst], axis.values[best], averages[best]
    )
