"""The optimizers of the recipes, written over pieces of memory that fit a cache."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import torch

from normscope.trials.death import unmoved
from normscope.trials.recipe import SGD_MOMENTUM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


PIECE = 1 << 17
"""Numbers worked on at a time: a piece of each tensor stays in a core's cache over all passes."""

DECAY = 0.9
EPSILON = 1e-6
"""Adadelta's constants as torch has them (Zeiler, 2012, arXiv:1212.5701, has rho 0.95)."""


class Optimizer(ABC):
    """Moves the rows of a tensor along their gradients."""

    _rates: Any = ()

    def set_rates(self, rates: Sequence[float]) -> None:
        """Choose the learning rates of the steps that follow."""
        self._rates = list(rates)

    @abstractmethod
    def step(self, gradients: Sequence[Tensor] | Tensor) -> None:
        """Take one step.

        Args:
            gradients: One a row, of its shape and layout.
        """

    def at_rest(self, index: int, numbers: int | None = None) -> bool:  # noqa: ARG002
        """Whether gradients of zero would leave a row as it is, for good.

        Args:
            index: Which row.
            numbers: How many of its first numbers are asked about; None for all.

        Returns:
            False where a momentum still moves it; True where a step is a multiple of the gradient.
        """
        return True

    def leave_alone(self, numbers: int) -> None:  # noqa: B027 - nothing is spared by default
        """Spare the work on what is known not to move any more."""

    @abstractmethod
    def keep(self, rows: Tensor, indices: Sequence[int]) -> None:
        """Go on with some of the rows."""


class Adadelta(Optimizer):
    """``torch.optim.Adadelta`` in eight passes over cached pieces.

    Its running means of squares are kept with ``EPSILON`` already added, which is the same
    arithmetic, one pass less, and keeps the means of gradients that vanish from becoming
    denormal numbers, on which many processors are slow. Without torch's own class a trial also
    does without the seconds that its first construction takes to import the compiler.

    Args:
        rows: Each dense in memory; changed in place.
    """

    def __init__(self, rows: Sequence[Tensor] | Tensor) -> None:
        self._rows = [_pieces(row) for row in rows]
        self._squares = [_pieces(torch.full_like(row, EPSILON)) for row in rows]
        self._deltas = [_pieces(torch.full_like(row, EPSILON)) for row in rows]
        longest = max(len(piece) for pieces in self._rows for piece in pieces)
        self._work = rows[0].new_empty(longest)
        self._epsilon = rows[0].new_full((), EPSILON)
        self._first = 0

    def step(self, gradients: Sequence[Tensor] | Tensor) -> None:
        """Take one step; see ``Optimizer``."""
        for row, gradient, squares, deltas, rate in zip(
            self._rows, gradients, self._squares, self._deltas, self._rates, strict=True
        ):
            pieces = list(zip(row, _pieces(gradient), squares, deltas, strict=True))
            self._move_all(pieces[self._first :], rate)

    def _move_all(self, pieces: Sequence[tuple[Tensor, ...]], rate: float) -> None:
        for p, g, square, delta in pieces:
            self._move(p, g, square, delta, rate)

    def _move(self, p: Tensor, g: Tensor, square: Tensor, delta: Tensor, rate: float) -> None:
        work = self._work[: len(p)]
        torch.addcmul(self._epsilon, g, g, out=work)
        square.lerp_(work, 1 - DECAY)
        torch.div(delta, square, out=work).sqrt_().mul_(g)
        p.sub_(work, alpha=rate)
        torch.addcmul(self._epsilon, work, work, out=work)
        delta.lerp_(work, 1 - DECAY)

    def leave_alone(self, numbers: int) -> None:
        """Spare the work on what does not move any more; see ``Optimizer``."""
        # Whole pieces only, so that the others go through the same vector instructions as before.
        self._first = numbers // PIECE

    def keep(self, rows: Tensor, indices: Sequence[int]) -> None:
        """Go on with some of the rows; see ``Optimizer``."""
        self._rows = [_pieces(row) for row in rows]
        self._squares = [self._squares[index] for index in indices]
        self._deltas = [self._deltas[index] for index in indices]


class Sgd(Optimizer):
    """``torch.optim.SGD`` with momentum, without torch's import of the compiler.

    Args:
        rows: Each dense in memory; changed in place.
        weight_decay: What is added to a gradient, as a share of its weight.
    """

    def __init__(self, rows: Sequence[Tensor] | Tensor, weight_decay: float = 0.0) -> None:
        self._weight_decay = weight_decay
        self._rows = [_pieces(row) for row in rows]
        self._momenta = [_pieces(torch.zeros_like(row)) for row in rows]

    def step(self, gradients: Sequence[Tensor] | Tensor) -> None:
        """Take one step; see ``Optimizer``."""
        for row, gradient, momenta, rate in zip(
            self._rows, gradients, self._momenta, self._rates, strict=True
        ):
            for p, g, momentum in zip(row, _pieces(gradient), momenta, strict=True):
                momentum.mul_(SGD_MOMENTUM).add_(g)
                if self._weight_decay:
                    momentum.add_(p, alpha=self._weight_decay)
                p.sub_(momentum, alpha=rate)

    def at_rest(self, index: int, numbers: int | None = None) -> bool:
        """Whether no momentum still moves a row; see ``Optimizer``."""
        row = torch.cat(list(self._rows[index]))[:numbers]
        momentum = torch.cat(list(self._momenta[index]))[:numbers]
        return not self._weight_decay and unmoved(row, momentum, self._rates[index])

    def keep(self, rows: Tensor, indices: Sequence[int]) -> None:
        """Go on with some of the rows; see ``Optimizer``."""
        self._rows = [_pieces(row) for row in rows]
        self._momenta = [self._momenta[index] for index in indices]


def _pieces(tensor: Tensor) -> Sequence[Tensor]:
    # One-dimensional whatever the order of the axes in memory, which parameter, gradient and
    # running means share.
    return tensor.detach().as_strided((tensor.numel(),), (1,)).split(PIECE)
