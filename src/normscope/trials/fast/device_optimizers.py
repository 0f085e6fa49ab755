"""The recipes' optimizers for a whole stack on a device, each model at its own rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from normscope.trials.death import unmoved
from normscope.trials.fast.optimizers import DECAY, EPSILON, Adadelta, Optimizer, Sgd
from normscope.trials.recipe import SGD_MOMENTUM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from normscope.trials.recipe import Recipe


class _DeviceOptimizer(Optimizer):
    """Rates live on the device, so a captured graph of steps follows their schedule."""

    def __init__(self, rows: Tensor) -> None:
        self._rows = rows
        self._rates = torch.zeros(len(rows), 1, dtype=rows.dtype, device=rows.device)

    def set_rates(self, rates: Sequence[float]) -> None:
        """Choose the learning rates of the steps that follow."""
        self._rates.copy_(torch.tensor(rates, dtype=self._rates.dtype)[:, None])

    def keep(self, rows: Tensor, indices: Sequence[int]) -> None:
        """Go on with some of the rows; see ``Optimizer``."""
        self._rows, self._rates = rows, self._rates[list(indices)]


class DeviceAdadelta(_DeviceOptimizer):
    """Adadelta over all rows in one call: by one kernel of Triton's, else by torch's passes.

    Args:
        rows: Weights, shape ``(models, length)``, contiguous; changed in place.
        fused: Whether to use Triton's kernel.
    """

    def __init__(self, rows: Tensor, fused: bool) -> None:
        super().__init__(rows)
        self._fused = fused
        self._squares = torch.full_like(rows, EPSILON)
        self._deltas = torch.full_like(rows, EPSILON)

    def step(self, gradients: Sequence[Tensor] | Tensor) -> None:
        """Take one step, by gradients of the rows' shape."""
        assert isinstance(gradients, torch.Tensor)
        if self._fused:
            from normscope.trials.fast.triton_adadelta import adadelta_step

            adadelta_step(self._rows, gradients, self._squares, self._deltas, self._rates)
            return
        squares, deltas = self._squares, self._deltas
        squares.lerp_(gradients.square().add_(EPSILON), 1 - DECAY)
        change = torch.div(deltas, squares).sqrt_().mul_(gradients)
        self._rows.addcmul_(change, self._rates, value=-1)
        deltas.lerp_(change.square_().add_(EPSILON), 1 - DECAY)

    def keep(self, rows: Tensor, indices: Sequence[int]) -> None:
        """Go on with some of the rows; see ``Optimizer``."""
        super().keep(rows, indices)
        kept = list(indices)
        self._squares, self._deltas = self._squares[kept], self._deltas[kept]


class DeviceSgd(_DeviceOptimizer):
    """Gradient descent with momentum over all rows.

    Args:
        rows: Weights, shape ``(models, length)``; changed in place.
    """

    def __init__(self, rows: Tensor) -> None:
        super().__init__(rows)
        self._momenta = torch.zeros_like(rows)

    def step(self, gradients: Sequence[Tensor] | Tensor) -> None:
        """Take one step, by gradients of the rows' shape."""
        assert isinstance(gradients, torch.Tensor)
        self._momenta.mul_(SGD_MOMENTUM).add_(gradients)
        self._rows.addcmul_(self._momenta, self._rates, value=-1)

    def at_rest(self, index: int, numbers: int | None = None) -> bool:
        """Whether no momentum still moves a row; see ``Optimizer``."""
        row, momentum = self._rows[index][:numbers], self._momenta[index][:numbers]
        return unmoved(row, momentum, self._rates[index].item())

    def keep(self, rows: Tensor, indices: Sequence[int]) -> None:
        """Go on with some of the rows; see ``Optimizer``."""
        super().keep(rows, indices)
        self._momenta = self._momenta[list(indices)]


def open_optimizer(
    recipe: Recipe, rows: Sequence[Tensor] | Tensor, fused: bool = False
) -> Optimizer:
    """The optimizer that a recipe names, on the device of what it moves.

    Args:
        recipe: How models are trained.
        rows: Each dense in memory; changed in place. On a GPU one tensor.
        fused: Whether Adadelta takes its step in one pass of our own, compiled by Triton on a GPU
            and by numba on a CPU.

    Returns:
        A fresh one.
    """
    if isinstance(rows, torch.Tensor) and rows.is_cuda:
        return open_device_optimizer(recipe, rows, fused)
    if recipe.optimizer != "adadelta":
        return Sgd(rows, recipe.weight_decay)
    if not fused:
        return Adadelta(rows)
    from normscope.trials.fast.compiled_adadelta import CompiledAdadelta

    return CompiledAdadelta(rows)


def open_device_optimizer(recipe: Recipe, rows: Tensor, fused: bool) -> Optimizer:
    """The optimizer that a recipe names, for a stack on a device.

    Args:
        recipe: How models are trained.
        rows: Weights, shape ``(models, length)``; changed in place.
        fused: Whether Adadelta takes its step in one kernel of Triton's.

    Returns:
        A fresh one.
    """
    if recipe.optimizer == "sgd":
        return DeviceSgd(rows)
    return DeviceAdadelta(rows, fused)
