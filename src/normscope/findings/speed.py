"""How many steps of training each normalization takes to get as far as the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.findings.comparison import ERROR_RATE
from normscope.findings.distributions import t_quantile
from normscope.trials.outcome import FAILURES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from normscope.normalization import Normalization
    from normscope.trials.result import FinishedTrial


@dataclass(frozen=True)
class Speed:
    """The steps that trainings under one normalization took.

    Attributes:
        steps: Their geometric mean; None where fewer than half of them got there.
        low: Lower end of its 95 % interval; None for one training, or where some did not get there.
        high: Upper end.
        reached: How many got there.
        learned: Of how many that learned.
    """

    steps: float | None
    low: float | None
    high: float | None
    reached: int
    learned: int

    def to_json(self) -> dict[str, Any]:
        """Every field by name, the steps rounded."""
        return {name: None if value is None else round(value) for name, value in vars(self).items()}


def speeds(trials: Iterable[FinishedTrial], accuracy: float) -> dict[Normalization, Speed]:
    """Read from the curves when each training reached an accuracy.

    Geometric means and t intervals of the logarithm, because trainings differ by factors.

    Args:
        trials: Trainings with their curves; those that failed, and those without a curve, are left
            out.
        accuracy: What is to be reached, in [0, 1].

    Returns:
        What each normalization took.
    """
    steps: dict[Normalization, list[int | None]] = {}
    for trial in trials:
        if trial.result.curve and trial.result.outcome not in FAILURES:
            steps.setdefault(trial.spec.normalization, []).append(trial.result.steps_to(accuracy))
    # In an order of its own: trials finish in any.
    return {n: _speed(steps[n]) for n in sorted(steps, key=lambda n: (n.mean, n.std))}


def _speed(steps: list[int | None]) -> Speed:
    reached = np.log([step for step in steps if step is not None])
    if 2 * len(reached) < len(steps) or not len(reached):
        return Speed(None, None, None, len(reached), len(steps))
    centre = float(np.exp(reached.mean()))
    if len(reached) < max(2, len(steps)):
        return Speed(centre, None, None, len(reached), len(steps))
    half = reached.std(ddof=1) / np.sqrt(len(reached))
    half *= float(t_quantile(1 - ERROR_RATE / 2, len(reached) - 1))
    low, high = (float(np.exp(reached.mean() + sign * half)) for sign in (-1, 1))
    return Speed(centre, low, high, len(reached), len(steps))
