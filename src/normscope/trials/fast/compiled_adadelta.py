"""Adadelta in one compiled pass over memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from normscope.machine.compiling import compiled
from normscope.trials.fast.optimizers import DECAY, EPSILON, Adadelta

if TYPE_CHECKING:
    from torch import Tensor


class CompiledAdadelta(Adadelta):
    """``Adadelta``, which reads and writes each number once a step; see there."""

    def _move(self, p: Tensor, g: Tensor, square: Tensor, delta: Tensor, rate: float) -> None:
        kind = p.numpy().dtype.type
        constants = kind(rate), kind(1 - DECAY), kind(EPSILON)
        _step(p.numpy(), g.numpy(), square.numpy(), delta.numpy(), *constants)


@compiled
def _step(
    weights: np.ndarray,
    gradients: np.ndarray,
    squares: np.ndarray,
    deltas: np.ndarray,
    rate: np.floating,
    share: np.floating,
    epsilon: np.floating,
) -> None:
    for index in range(len(weights)):
        gradient, delta = gradients[index], deltas[index]
        square = squares[index] + share * (gradient * gradient + epsilon - squares[index])
        change = math.sqrt(delta / square) * gradient
        squares[index] = square
        weights[index] -= rate * change
        deltas[index] = delta + share * (change * change + epsilon - delta)
