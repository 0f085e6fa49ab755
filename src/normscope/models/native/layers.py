"""A network whose layers compute by the library in C where that is quicker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from normscope.models.native import batchnorm, convolution
from normscope.models.native.library import open_library

if TYPE_CHECKING:
    from collections.abc import Collection


def quicken(model: nn.Module, spared: Collection[nn.Module] = ()) -> int:
    """Let layers of a network on a CPU compute by the library; those of other kinds stay.

    A layer keeps its class, weights and hooks, and goes its ordinary way whenever what it meets is
    not what the library is made for. In float64 the numbers are the same to 1e-12, in float32
    rounding differs.

    Args:
        model: In one precision, channels last.
        spared: Layers that stay as they are.

    Returns:
        How many layers were changed.
    """
    changed = 0
    for module in model.modules():
        kind = next((kind for kind in (convolution, batchnorm) if kind.suits(module)), None)
        if kind is None or module in spared:
            continue
        library = open_library(module.get_parameter("weight").dtype)
        if library is not None:
            module.forward = kind.forward_by(library, module)  # pyright: ignore[reportArgumentType]
            changed += 1
    return changed
