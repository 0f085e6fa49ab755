"""Adadelta in one compiled pass over memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from normscope.machine.compiling import compiled
from normscope.machine.parts import each, shares
from normscope.trials.fast.optimizers import DECAY, EPSILON, Adadelta

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from torch import Tensor


class CompiledAdadelta(Adadelta):
    """``Adadelta`` that reads and writes each number once a step, on all cores; see there."""

    def _move_all(self, pieces: Sequence[tuple[Tensor, ...]], rate: float) -> None:
        move_all = super()._move_all
        each(lambda part: move_all(pieces[part], rate), shares(len(pieces)))

    def _move(self, p: Tensor, g: Tensor, square: Tensor, delta: Tensor, rate: float) -> None:
        weights = p.numpy()
        # In the weights' type, so that nothing is computed in another.
        constants = map(weights.dtype.type, (rate, 1 - DECAY, EPSILON))
        _step(weights, g.numpy(), square.numpy(), delta.numpy(), *constants)


@compiled
def _step(
    weights: np.ndarray,
    gradients: np.ndarray,
    squares: np.ndarray,
    deltas: np.ndarray,
    rate: float,
    share: float,
    epsilon: float,
) -> None:
    for index in range(len(weights)):
        gradient, delta = gradients[index], deltas[index]
        square = squares[index] + share * (gradient * gradient + epsilon - squares[index])
        change = math.sqrt(delta / square) * gradient
        squares[index] = square
        weights[index] -= rate * change
        deltas[index] = delta + share * (change * change + epsilon - delta)
