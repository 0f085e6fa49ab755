"""A network whose layers are computed in quicker ways on a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from normscope.machine.compiling import has_numba
from normscope.models.quick import pointwise, small_maps

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import nn

INSTRUCTIONS = ("AVX2",)
"""Processors, by torch's name for their capability, on which compiled layers are quicker. With
AVX512 torch's own are twice as quick as here, in bf16 even more."""


def quicken(model: nn.Module, compiled: bool, spared: Collection[nn.Module] = ()) -> int:
    """Let the layers of a network that are known compute in quicker ways on a CPU.

    A layer keeps its class, weights and hooks, and computes in its own way whenever its input is
    not one that the quicker way is made for. In float64 the results agree to 1e-12; in float32
    they are rounded differently.

    Args:
        model: In one precision, channels last.
        compiled: Whether compiling, which takes seconds, is worth it; some ways need none.
        spared: Layers that stay as they are.

    Returns:
        How many layers and blocks were changed.
    """
    kinds = _kinds(compiled)
    # Blocks come before the layers that they hold, and see them unchanged.
    return sum(_quicken(module, kinds) for module in list(model.modules()) if module not in spared)


def _quicken(module: nn.Module, kinds: list[Any]) -> bool:
    suiting = [kind for kind in kinds if kind.suits(module)]
    for kind in suiting:
        kind.quicken(module)
    return bool(suiting)


def _kinds(compiled: bool) -> list[Any]:
    """Modules with ``suits`` and ``quicken``, one for each kind of layer that is quicker here."""
    instructions = torch.backends.cpu.get_cpu_capability()
    if not (compiled and instructions in INSTRUCTIONS and has_numba()):
        return [small_maps, pointwise]
    from normscope.models.quick import blocks, convolution, sequences

    return [blocks, sequences, small_maps, pointwise, convolution]
