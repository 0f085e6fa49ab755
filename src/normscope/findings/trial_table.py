"""Every cell and reference of a study by seed: its accuracy, and what became of the training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from normscope.normalization import NONE, Normalization
from normscope.trials.outcome import FAILURES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from normscope.studies.specification import ScanSpec
    from normscope.trials.result import FinishedTrial


FEW_IMAGES, WELL_ABOVE = 100, 0.05
"""On fewer test images an accuracy so far above that of a constant answer may be luck."""

DOMINATES = 0.75
"""From this share of one class on, a network that always names it seems to do well."""


@dataclass(frozen=True)
class TrialTable:
    """The trainings of a study, row by row.

    A row is one normalization: the grid's cells with the last axis varying fastest, then the
    references that lie off the grid. Columns are the seeds that every row was trained with to the
    end; ``trainings`` and ``failures`` also count the shorter trainings that only asked whether
    learning starts.

    Attributes:
        normalizations: One per row.
        cells: How many of the rows are cells of the grid.
        accuracies: On test, in [0, 1], shape ``(rows, seeds)``.
        learned: bool, whether each training has left chance and is no failure, of that shape.
        settled: bool, whether its curve has settled, of that shape.
        trainings: How many trainings there were whose outcome is known, shape ``(rows,)``.
        failures: How many of them were stuck, died or diverged, shape ``(rows,)``.
        stuck: How many of the failures were only stuck, and might learn yet if they were trained
            longer, shape ``(rows,)``; None where that is not known.
        test_images: How many images each accuracy is counted on.
        correct: bool, which image each training got right, shape ``(rows, seeds, test_images)``;
            None where only accuracies are known.
        exact: Whether nothing is drawn at random, as with a frozen network: one seed is all.
        chance: Share of the most frequent class among the test images; 0 where it is not known.
        finished: Whether every cell has every seed that was asked for.
    """

    normalizations: tuple[Normalization, ...]
    cells: int
    accuracies: np.ndarray
    learned: np.ndarray
    settled: np.ndarray
    trainings: np.ndarray
    failures: np.ndarray
    test_images: int
    correct: np.ndarray | None = None
    exact: bool = False
    stuck: np.ndarray | None = None
    chance: float = 0.0
    finished: bool = True

    @property
    def seeds(self) -> int:
        """How many seeds every row was trained with to the end."""
        return self.accuracies.shape[1]

    @property
    def knows_outcomes(self) -> bool:
        """Whether it is known which trainings failed; old studies did not record it."""
        return self.exact or bool(self.trainings.any())

    @cached_property
    def mean(self) -> np.ndarray:
        """Mean accuracy of those that learned, shape ``(rows,)``; NaN where none did."""
        rows = zip(self.accuracies, self.learned, strict=True)
        return np.array([row[kept].mean() if kept.any() else np.nan for row, kept in rows])

    @property
    def some_learned(self) -> np.ndarray:
        """Rows of which a training learned, bool, shape ``(rows,)``."""
        return np.array([row.any() for row in self.learned], bool)

    @property
    def all_failed(self) -> bool:
        """Whether every training failed, under any normalization."""
        return bool(0 < self.trainings.sum() == self.failures.sum())

    @property
    def all_stuck(self) -> bool:
        """Whether those that failed only never left chance."""
        return self.stuck is not None and bool(self.stuck.sum() == self.failures.sum())

    @property
    def dominated(self) -> bool:
        """Whether one class holds most of the test images."""
        return self.chance >= DOMINATES

    @cached_property
    def like_chance(self) -> float | None:
        """The best accuracy that so few test images cannot tell from chance, if that is the reason.

        None where there are images enough, or where what failed is no better than the worst run.
        """
        failed = self.accuracies[~self.learned]
        if self.exact or self.test_images >= FEW_IMAGES or not failed.size:
            return None
        best = float(failed.max())
        return best if best >= self.accuracies.min() + WELL_ABOVE else None

    def row(self, normalization: Normalization) -> int | None:
        """Where a normalization stands; None where it was not tried with every seed."""
        found = [k for k, n in enumerate(self.normalizations) if n == normalization]
        return found[0] if found else None


def trial_table(
    specification: ScanSpec,
    seeds: list[int],
    trials: list[FinishedTrial],
    short: Iterable[FinishedTrial] = (),
) -> TrialTable:
    """Collect the trials of the seeds that a grid has in every cell.

    Args:
        specification: The scan.
        seeds: Those that every cell has finished.
        trials: Its finished trials.
        short: Trainings that ended as soon as it was known whether they learn.

    Returns:
        The table; a reference that lacks one of the seeds is left out.
    """
    found = {(t.spec.normalization, t.spec.seed): t.result for t in trials}
    cells = list(specification.cells())
    references = [specification.data, NONE]
    if specification.expected is not None:
        references.append(specification.expected)
    off_grid = [
        n
        for n in dict.fromkeys(references)
        if n not in cells and all((n, seed) in found for seed in seeds)
    ]
    every = (*cells, *off_grid)
    results = [[found[n, seed] for seed in seeds] for n in every]
    outcomes = np.array([[r.outcome or "" for r in row] for row in results], dtype=object)
    outcomes = outcomes.reshape(len(every), len(seeds))
    trainings, failures = (outcomes != "").sum(axis=1), np.isin(outcomes, FAILURES).sum(axis=1)
    stuck = (outcomes == "stuck").sum(axis=1)
    place = {n: k for k, n in enumerate(every)}
    for trial in short:
        row = place.get(trial.spec.normalization)
        if row is not None:
            trainings[row] += 1
            failures[row] += trial.result.outcome in FAILURES
            stuck[row] += trial.result.outcome == "stuck"
    # A frozen network is tested on as many images as its accuracy needs: the first are shared.
    images = min((r.test_images for row in results for r in row), default=1)
    correct = np.array([[r.correct_images()[:images] for r in row] for row in results], bool)
    shape = (len(every), len(seeds))
    return TrialTable(
        normalizations=every,
        cells=len(cells),
        accuracies=np.array([[r.accuracy for r in row] for row in results], float).reshape(shape),
        learned=~np.isin(outcomes, FAILURES),
        settled=outcomes != "still learning",
        trainings=trainings,
        failures=failures,
        test_images=images,
        correct=correct if seeds else None,
        exact=not specification.trial.recipe.trains,
        stuck=stuck,
        chance=max((r.chance or 0.0 for row in results for r in row), default=0.0),
        finished=all((n, seed) in found for n in cells for seed in specification.seed_numbers()),
    )
