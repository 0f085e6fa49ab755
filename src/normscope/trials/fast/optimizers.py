"""The optimizers of the recipes, written over pieces of memory that fit a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from normscope.trials.recipe import Recipe

PIECE = 1 << 17
"""Numbers worked on at a time: a piece of each tensor stays in a core's cache over all passes."""

DECAY = 0.9
EPSILON = 1e-6
"""Adadelta's constants as torch has them (Zeiler, 2012, arXiv:1212.5701, has rho 0.95)."""

MOMENTUM = 0.9


class Optimizer(Protocol):
    """Moves parameters along their gradients."""

    def step(self, gradients: Sequence[Tensor], rates: Sequence[float]) -> None:
        """Take one step.

        Args:
            gradients: One a parameter, of its shape and layout.
            rates: One learning rate a parameter.
        """
        ...


class Adadelta:
    """``torch.optim.Adadelta`` in eight passes over cached pieces.

    Its running means of squares are kept with ``EPSILON`` already added, which is the same
    arithmetic, one pass less, and keeps the means of gradients that vanish from becoming
    denormal numbers, on which many processors are slow. Without torch's own class a trial also
    does without the seconds that its first construction takes to import the compiler.

    Args:
        parameters: Dense in memory; changed in place.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._parameters = [_pieces(parameter) for parameter in parameters]
        self._squares = [_pieces(torch.full_like(p, EPSILON)) for p in parameters]
        self._deltas = [_pieces(torch.full_like(p, EPSILON)) for p in parameters]
        longest = max(len(piece) for pieces in self._parameters for piece in pieces)
        self._work = parameters[0].new_empty(longest)
        self._epsilon = parameters[0].new_full((), EPSILON)

    def step(self, gradients: Sequence[Tensor], rates: Sequence[float]) -> None:
        """Take one step; see ``Optimizer``.

        Args:
            gradients: One a parameter, of its shape and layout.
            rates: One learning rate a parameter.
        """
        epsilon = self._epsilon
        for parameters, gradient, squares, deltas, rate in zip(
            self._parameters, gradients, self._squares, self._deltas, rates, strict=True
        ):
            for p, g, square, delta in zip(
                parameters, _pieces(gradient), squares, deltas, strict=True
            ):
                work = self._work[: len(p)]
                torch.addcmul(epsilon, g, g, out=work)
                square.lerp_(work, 1 - DECAY)
                torch.div(delta, square, out=work).sqrt_().mul_(g)
                p.sub_(work, alpha=rate)
                torch.addcmul(epsilon, work, work, out=work)
                delta.lerp_(work, 1 - DECAY)


class Sgd:
    """``torch.optim.SGD`` with momentum, without torch's import of the compiler.

    Args:
        parameters: Dense in memory; changed in place.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._parameters = [_pieces(parameter) for parameter in parameters]
        self._momenta = [_pieces(torch.zeros_like(p)) for p in parameters]

    def step(self, gradients: Sequence[Tensor], rates: Sequence[float]) -> None:
        """Take one step; see ``Optimizer``.

        Args:
            gradients: One a parameter, of its shape and layout.
            rates: One learning rate a parameter.
        """
        for parameters, gradient, momenta, rate in zip(
            self._parameters, gradients, self._momenta, rates, strict=True
        ):
            for p, g, momentum in zip(parameters, _pieces(gradient), momenta, strict=True):
                momentum.mul_(MOMENTUM).add_(g)
                p.sub_(momentum, alpha=rate)


def open_optimizer(recipe: Recipe, parameters: Sequence[Tensor]) -> Optimizer:
    """The optimizer that a recipe names.

    Args:
        recipe: How models are trained.
        parameters: Dense in memory; changed in place.

    Returns:
        A fresh one.
    """
    return (Adadelta if recipe.optimizer == "adadelta" else Sgd)(parameters)


def _pieces(tensor: Tensor) -> Sequence[Tensor]:
    # One-dimensional whatever the order of the axes in memory, which parameter, gradient and
    # running means share.
    return tensor.detach().as_strided((tensor.numel(),), (1,)).split(PIECE)
