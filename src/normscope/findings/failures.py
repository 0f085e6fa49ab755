"""How often trainings fail under each normalization, by themselves and over the whole grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from normscope.findings.comparison import ERROR_RATE

if TYPE_CHECKING:
    from normscope.findings.trial_table import TrialTable

TOLERATED = 0.05
"""The share of failing trainings that nobody minds: one in twenty."""


@dataclass(frozen=True)
class Interval:
    """A share with the ends of its 95 % interval."""

    share: float
    low: float
    high: float


def binomial_interval(failures: int, trainings: int) -> Interval:
    """The share of trainings that fail, with its exact interval.

    Clopper and Pearson (Biometrika 26, 1934, doi:10.1093/biomet/26.4.404): it covers the true share
    in at least 95 % of studies whatever that is, so of 3 trainings without a failure it says 0 to
    71 %.

    Args:
        failures: How many failed.
        trainings: Of how many, at least one.

    Returns:
        The share and its interval.

    Example:
        >>> round(binomial_interval(0, 3).high, 3)
        0.708
    """
    found = stats.binomtest(failures, trainings).proportion_ci(1 - ERROR_RATE, "exact")
    return Interval(failures / trainings, float(found.low), float(found.high))


@dataclass(frozen=True)
class Region:
    """The failures of several rows together.

    Attributes:
        trainings: How many trainings the rows had.
        failures: How many of them failed.
        fails: Whether it is proved that trainings somewhere in it fail more often than one in
            twenty.
        worst: Failures and trainings of the row, slice or whole that proves most.
        bound: The largest mean share of failures that its trainings leave possible (one-sided
            95 %); 1 without any training.
    """

    trainings: int
    failures: int
    fails: bool
    worst: tuple[int, int]
    bound: float


def region(table: TrialTable, rows: np.ndarray, slices: list[np.ndarray], looks: int) -> Region:
    """What is known of failures in a part of the grid.

    Few seeds cannot prove one cell to fail, but a whole column of them can. So the rows alone, the
    slices of the grid (all its cells of one mean, or of one std) within the region, and the region
    itself are each tested against one failure in twenty, corrected for the number of tests
    (Bonferroni).

    Args:
        table: The trainings.
        rows: bool, shape ``(rows,)``: which belong to the region.
        slices: bool masks of the grid's slices, each of that shape.
        looks: How many regions share the 5 %.

    Returns:
        Its failures.
    """
    parts = [np.eye(len(rows), dtype=bool)[k] for k in np.flatnonzero(rows)]
    parts += [part for s in slices if (part := s & rows).any()]
    parts.append(rows)
    rate = ERROR_RATE / (looks * len(parts))
    failures = np.array([table.failures[part].sum() for part in parts])
    trainings = np.array([table.trainings[part].sum() for part in parts])
    p = stats.binom.sf(failures - 1, trainings, TOLERATED)
    total, failed, first = int(trainings[-1]), int(failures[-1]), int(p.argmin())
    bound = stats.beta.ppf(1 - ERROR_RATE, failed + 1, total - failed) if total > failed else 1.0
    worst = (int(failures[first]), int(trainings[first]))
    return Region(total, failed, bool((p <= rate).any()), worst, float(bound))
