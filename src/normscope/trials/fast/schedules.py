"""The recipes' schedules of the learning rate, for one trial of a stack each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from normscope.trials.recipe import Recipe

FACTOR, PATIENCE, THRESHOLD = 0.1, 10, 1e-4
"""``torch.optim.lr_scheduler.ReduceLROnPlateau``'s defaults."""

SMALLEST_CHANGE = 1e-8
GAMMA = 0.7


class Schedule(Protocol):
    """Decides on a trial's next learning rate.

    Attributes:
        rate: The one to train with.
    """

    rate: float

    def step(self, accuracy: float) -> None:
        """Look back on an epoch."""
        ...


class Plateau:
    """``ReduceLROnPlateau("max")`` without the optimizer that torch's own asks for.

    Args:
        rate: The first learning rate.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._best = -float("inf")
        self._epochs_without_rise = 0

    def step(self, accuracy: float) -> None:
        """Divide the rate by 10 after more than 10 epochs without a rise."""
        if accuracy > self._best * (1 + THRESHOLD):
            self._best, self._epochs_without_rise = accuracy, 0
        else:
            self._epochs_without_rise += 1
        if self._epochs_without_rise > PATIENCE:
            self._epochs_without_rise = 0
            if self.rate - self.rate * FACTOR > SMALLEST_CHANGE:
                self.rate *= FACTOR


class Steps:
    """``StepLR(step_size=1, gamma=0.7)``.

    Args:
        rate: The first learning rate.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def step(self, accuracy: float) -> None:  # noqa: ARG002 - looks at nothing
        """Multiply the rate by 0.7."""
        self.rate *= GAMMA


class Cosine:
    """``CosineAnnealingLR`` to nothing (Loshchilov and Hutter, 2017, arXiv:1608.03983).

    Args:
        rate: The first learning rate.
        epochs: How many there are.
    """

    def __init__(self, rate: float, epochs: int) -> None:
        self.rate = self._first = rate
        self._epochs, self._done = epochs, 0

    def step(self, accuracy: float) -> None:  # noqa: ARG002 - looks at nothing
        """Go on along half a cosine."""
        self._done += 1
        self.rate = self._first * (1 + math.cos(math.pi * self._done / self._epochs)) / 2


def open_schedule(recipe: Recipe) -> Schedule:
    """The schedule that a recipe names."""
    if recipe.schedule == "cosine":
        return Cosine(recipe.lr, recipe.epochs)
    return Plateau(recipe.lr) if recipe.schedule == "plateau" else Steps(recipe.lr)
