"""Sequences in which a ReLU follows a BatchNorm: both are computed together."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, TypeGuard

from torch import nn

from normscope.models.hooks import has_hooks
from normscope.models.quick import batchnorm
from normscope.models.quick.batchnorm import relu_of
from normscope.models.quick.conditions import is_exactly
from normscope.models.quick.replacing import own_way, replace_forward

if TYPE_CHECKING:
    from torch import Tensor


def suits(module: nn.Module) -> bool:
    """Whether a module is a plain sequence with such a pair."""
    return is_exactly(module, nn.Sequential) and any(
        batchnorm.suits(a) and type(b) is nn.ReLU for a, b in pairwise(module)
    )


def quicken(sequence: nn.Sequential) -> None:
    """Let a sequence use compiled passes for its pairs in training.

    Args:
        sequence: One that suits.
    """
    ordinary = own_way(sequence)
    norms = [layer for layer in sequence if batchnorm.suits(layer)]
    dtype = norms[0].get_parameter("weight").dtype

    def forward(sequence: nn.Sequential, input: Tensor) -> Tensor:  # noqa: A002 - its name there
        if not sequence.training:
            return ordinary(sequence, input)
        x, layers = input, list(sequence)
        while layers:
            layer, *layers = layers
            if layers and _is_pair(layer, layers[0]):
                x, layers = relu_of(layer, x, dtype), layers[1:]
            else:
                x = layer(x)
        return x

    replace_forward(sequence, forward)


def _is_pair(first: nn.Module, second: nn.Module) -> TypeGuard[nn.BatchNorm2d]:
    kinds = type(first) is nn.BatchNorm2d and type(second) is nn.ReLU
    return kinds and not has_hooks(first) and not has_hooks(second)
