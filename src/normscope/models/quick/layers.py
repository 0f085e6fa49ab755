"""A network whose layers are computed in other ways where these are quicker on a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from normscope.machine.compiling import has_numba
from normscope.models.quick import pointwise, small_maps

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import nn

INSTRUCTIONS = ("AVX2",)
"""By torch's name for what a processor has: where this was measured. With AVX512 torch's layers are
twice as quick, and in bf16 more so."""


def quicken(model: nn.Module, compiled: bool, spared: Collection[nn.Module] = ()) -> int:
    """Compute layers of a network on a CPU in quicker ways; those of other kinds stay.

    A layer keeps its class, weights and hooks, and goes its ordinary way whenever what it meets is
    not what the quicker one is made for. In float64 the numbers are the same to 1e-12, in float32
    rounding differs.

    Args:
        model: In one precision, channels last.
        compiled: Whether the seconds of compiling are repaid; some ways need none.
        spared: Layers that stay as they are.

    Returns:
        How many layers and blocks were changed.
    """
    kinds = _kinds(compiled)
    # What holds layers comes before them, and sees them as they were.
    return sum(_quicken(module, kinds) for module in list(model.modules()) if module not in spared)


def _quicken(module: nn.Module, kinds: list[Any]) -> bool:
    suiting = [kind for kind in kinds if kind.suits(module)]
    for kind in suiting:
        kind.quicken(module)
    return bool(suiting)


def _kinds(compiled: bool) -> list[Any]:
    """The kinds of layers that are computed otherwise here."""
    instructions = torch.backends.cpu.get_cpu_capability()
    if not (compiled and instructions in INSTRUCTIONS and has_numba()):
        return [small_maps, pointwise]
    from normscope.models.quick import blocks, convolution, sequences

    return [blocks, sequences, small_maps, pointwise, convolution]
