"""Successive halving: most trials of a search end after a few epochs, so that more can be asked."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    from optuna import Study

    from normscope.trials.spec import TrialSpec

REDUCTION = 3
"""Of the trials that reach a rung a third goes on, and trains three times as long (Li et al., 2018,
arXiv:1603.06560, who use 3 or 4). With Optuna's 4, so few trials of a search are left that there
is little to repeat."""

STANDING = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)


def rungs(epochs: int) -> list[int]:
    """After how many epochs a trial is looked at before its last one.

    A rung is a training of its own, from the first epoch on: no half-trained network has to be kept
    or sent anywhere, a killed trial loses nothing but itself, and every executor can run it. Two
    thirds of the trials that reach a rung are spared the whole training, so a rung pays where it
    costs less than that share of it; later ones are left out.

    Args:
        epochs: Of the whole training.

    Returns:
        Numbers of epochs, rising, each below ``epochs``.

    Example:
        >>> rungs(30), rungs(5), rungs(1)
        ([1, 3, 9], [1, 3], [])
    """
    found = []
    rung = 1
    while rung * REDUCTION < epochs * (REDUCTION - 1):
        found.append(rung)
        rung *= REDUCTION
    return found


def at_rung(spec: TrialSpec, epochs: int) -> TrialSpec:
    """A trial's shorter training; a schedule that spans the training spans this one."""
    return dataclasses.replace(spec, recipe=dataclasses.replace(spec.recipe, epochs=epochs))


class SuccessiveHalving(BasePruner):
    """The asynchronous kind: a trial goes on if it is in the best third at its rung so far.

    Optuna's own pruner marks trials that reach a rung, and never forgets those of a process that
    died there: once asked again, they would compete with themselves. Here only trials count whose
    work stands, and of equal ones the earlier is ahead: else none of many that do no better than
    chance would stop. The first two at a rung go on where they are the best yet.
    """

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether a trial that has reached a rung is to stop there.

        Args:
            study: Of a score that is to be as high as possible.
            trial: Has just reported its score.

        Returns:
            True for the lower two thirds, and for a score that is no number.
        """
        rung = trial.last_step
        if rung is None:
            return False
        score = trial.intermediate_values[rung]
        others = [
            other.intermediate_values[rung]
            for other in study.get_trials(deepcopy=False, states=STANDING)
            if rung in other.intermediate_values and other.number != trial.number
        ]
        ahead = sum(other >= score for other in others)
        return ahead >= max(1, (len(others) + 1) // REDUCTION) or math.isnan(score)
