"""When a training is watched for its death: no gradient has reached its first layer for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from normscope.trials.recipe import SGD_MOMENTUM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

SILENT_STEPS: float = 20
"""Successive steps without any gradient before a proof is tried; infinity never tries one."""

CHECK_INTERVAL = 16
"""Steps between the looks at how long the gradients have been silent."""


class Watch:
    """Counts each model's successive steps without a gradient, where the gradients are.

    A proof takes a sweep over all images. One that fails is tried again only after twice as many
    silent steps, so that a training that merely sleeps is not slowed much.

    Args:
        models: How many.
        device: Where they train.

    Attributes:
        dead: Whether each one's death is proved.
    """

    def __init__(self, models: int, device: torch.device) -> None:
        self.dead = [False] * models
        self._silent = torch.zeros(models, dtype=torch.int64, device=device)
        self._needed = [0] * models

    def keep(self, indices: Sequence[int]) -> None:
        """Go on with some of the models alone."""
        kept = list(indices)
        self.dead = [self.dead[index] for index in kept]
        self._silent = self._silent[kept]
        self._needed = [self._needed[index] for index in kept]

    def stepped(self, gradients: Tensor) -> None:
        """Take note of a step by the first layers' gradients, shape ``(models, numbers)``."""
        self._silent.add_(1).mul_((gradients == 0).all(1))

    def candidates(self) -> list[int]:
        """Which models have been silent for long enough; the next proof of each takes longer.

        Returns:
            Indices of those whose death is not proved yet.
        """
        if all(self.dead):
            return []
        found = []
        for index, silent in enumerate(self._silent.tolist()):
            if not self.dead[index] and silent >= max(SILENT_STEPS, self._needed[index]):
                self._needed[index] = 2 * silent
                found.append(index)
        return found


def unmoved(weights: Tensor, momenta: Tensor, rate: float) -> bool:
    """Whether momenta that only decay are too small to change their weights.

    Args:
        weights: As they are.
        momenta: Of the same shape.
        rate: The learning rate, which no schedule raises.

    Returns:
        True if all that is left of the way rounds to nothing even in one step.
    """
    left = momenta * (rate / (1 - SGD_MOMENTUM))
    return torch.equal(weights - left, weights) and torch.equal(weights + left, weights)
