"""Does the normalization matter? The word that a study's trainings prove, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from normscope.findings.failures import TOLERATED, Region, region

if TYPE_CHECKING:
    from normscope.findings.losses import Losses
    from normscope.findings.trial_table import TrialTable

Word = Literal["yes", "no", "edges", "unsettled"]


@dataclass(frozen=True)
class Part:
    """One part of the normalizations that a study tried: the usual ones, or the others.

    Attributes:
        rows: bool, which rows belong to it, shape ``(rows,)``.
        failures: What is known of failures in it; None where nothing is.
        worst: The row that surely loses more than the margin, and most; None where none does.
        best: The row that surely has more than the reference by the margin, likewise.
        bound: The largest loss in it that cannot be excluded; None where that is unknown.
        settled: Whether its trainings had settled.
        cleared: Whether it is proved that no row loses more than the margin, and that fewer than
            one training in twenty fails.
        may_wake: Whether it has failures and all are only stuck: longer trainings might learn.
    """

    rows: np.ndarray
    failures: Region | None
    worst: int | None
    best: int | None
    bound: float | None
    settled: bool
    cleared: bool
    may_wake: bool = False

    @property
    def fails(self) -> bool:
        """Whether trainings in it are proved to fail."""
        return self.failures is not None and self.failures.fails

    @property
    def bad(self) -> bool:
        """Whether it is proved that the choice matters in it."""
        fails = self.fails and not self.may_wake
        return fails or self.worst is not None or self.best is not None


def part(
    table: TrialTable,
    rows: np.ndarray,
    slices: list[np.ndarray],
    lost: Losses | None,
    margin: float,
) -> Part:
    """Judge one part.

    Args:
        table: The trainings.
        rows: bool, which rows belong to it.
        slices: bool masks of the grid's columns and lines.
        lost: The rows' losses; None where they are unknown.
        margin: The largest loss that does not matter.

    Returns:
        What is proved of it.
    """
    known = table.knows_outcomes and not table.exact and bool(rows.any())
    failures = region(table, rows, slices, looks=2) if known else None
    settled = _settled(table)
    all_settled = bool(settled[rows].all())
    worst = best = bound = None
    if lost is not None and rows.any():
        worst = _most(np.where(rows & settled, lost.least, np.nan), margin)
        best = _most(np.where(rows & settled, lost.gain, np.nan), margin)
        bounds = lost.bound[rows & ~np.isnan(lost.bound)]
        bound = float(bounds.max()) if bounds.size else None
    survives = table.exact or (failures is not None and failures.bound <= TOLERATED)
    cleared = not rows.any() or (
        survives
        and bound is not None
        and bound <= margin
        and all_settled
        and bool(table.some_learned[rows].all())
    )
    failed = int(table.failures[rows].sum())
    may_wake = table.stuck is not None and 0 < failed == int(table.stuck[rows].sum())
    return Part(rows, failures, worst, best, bound, all_settled, cleared, may_wake)


def word(table: TrialTable, usual: Part, edges: Part) -> Word:
    """The first word of the answer.

    Args:
        table: The trainings.
        usual: The normalizations that people use, the reference among them.
        edges: The others.

    Returns:
        ``"yes"`` where the choice is proved to matter among the usual ones, ``"edges"`` where only
        others are proved to do harm, ``"no"`` where none does, else ``"unsettled"``.
    """
    if table.all_failed:
        return "unsettled"
    if usual.bad or edges.best is not None:
        return "yes"
    if usual.cleared and edges.bad:
        return "edges"
    return "no" if usual.cleared and edges.cleared else "unsettled"


def _settled(table: TrialTable) -> np.ndarray:
    """Rows of whose trainings that learned at least half had settled."""
    learned = table.learned.sum(axis=1)
    return 2 * (table.learned & table.settled).sum(axis=1) >= learned


def _most(values: np.ndarray, margin: float) -> int | None:
    if np.isnan(values).all() or not np.nanmax(values) > margin:
        return None
    return int(np.nanargmax(values))
