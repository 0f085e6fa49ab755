"""What the tests of quicker layers share."""

from __future__ import annotations

import pytest
import torch

from normscope.machine.compiling import has_numba
from normscope.models.quick.layers import INSTRUCTIONS

needs_compiled_layers = pytest.mark.skipif(
    not has_numba() or torch.backends.cpu.get_cpu_capability() not in INSTRUCTIONS,
    reason="compiled layers need the extra fast and AVX2 without AVX512",
)


def images(*shape, seed=0, dtype=torch.float64):
    """Random ones, channels last in memory."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(shape, generator=generator, dtype=dtype)
    return drawn.contiguous(memory_format=torch.channels_last)
