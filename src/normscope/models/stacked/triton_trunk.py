"""A stack's convolutions by kernels of our own, which keep the largest tensors in registers."""

# A kernel is launched with other arguments than its function names.
# pyright: reportCallIssue=false, reportArgumentType=false, reportIndexIssue=false, reportGeneralTypeIssues=false

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton

from normscope.models.stacked.products import as_matrix, patches_of
from normscope.models.stacked.triton_kernels import (
    first_convolution,
    first_gradient,
    maps_gradient,
    pooled_convolution,
    weight_gradient,
)
from normscope.models.stacked.trunk import Trunk, TrunkGradients

if TYPE_CHECKING:
    from torch import Tensor

HALF = torch.bfloat16
"""What the second convolution's products are made of."""

INNER, OUTER = 32, 64
"""Channels before and after LeNet's second convolution."""

FIRST = {"block": 128, "num_warps": 4}
POOLED = {"block": 64, "num_warps": 4, "num_stages": 2}
MAPS = {"block": 128, "num_warps": 4}
FIRST_GRADIENT = {"block": 128, "num_warps": 4, "num_stages": 2}
WEIGHT_GRADIENT = {"block": 64, "num_warps": 4, "num_stages": 2}
"""Positions that a program of each kernel works on, and how it is compiled: without spilling, and
within the 99 KB of shared memory that smaller GPUs have."""

PARTS = 16
"""Programs that share the sum over positions of one row of taps' gradients."""


class TritonTrunk(Trunk):
    """Both convolutions and their gradients in five kernels."""

    def forward(
        self, pixels: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor
    ) -> Tensor:
        """Features of every image by every model; see ``Trunk``."""
        models, images = len(weight1), len(pixels)
        height, width = pixels.shape[2] - 2, pixels.shape[3] - 2
        patches = patches_of(pixels.permute(0, 2, 3, 1)[None])[0].contiguous()
        (positions, columns), split = patches.shape, pixels.dtype == torch.float32
        hidden = _halves(patches, (models, images, height, width, INNER), split)
        first_convolution[(triton.cdiv(positions, FIRST["block"]), models)](
            patches, as_matrix(weight1).contiguous(), bias1.contiguous(), *hidden,
            positions, columns, wide=_wide(columns), inner=INNER,
            precision="tf32x3" if split else "tf32", split=split, **FIRST,
        )  # fmt: skip
        matrix = _as_halves(as_matrix(weight2).contiguous(), split)
        size = ((height - 2) // 2, (width - 2) // 2)
        pooled = patches.new_empty(models, images, *size, OUTER)
        winners = torch.empty_like(pooled, dtype=torch.int8)
        pooled_convolution[(triton.cdiv(images * size[0] * size[1], POOLED["block"]), models)](
            *hidden, *matrix, bias2.contiguous(), pooled, winners, images,
            height, width, *size, inner=INNER, outer=OUTER, split=split, **POOLED,
        )  # fmt: skip
        self._saved = (patches, *hidden, *matrix, winners)
        return pooled.flatten(2)

    def backward(self, gradient: Tensor) -> TrunkGradients:
        """Gradients at the last ``forward``, once; see ``Trunk``."""
        patches, hidden, hidden_low, *matrix, winners = self._saved
        self._saved = ()
        models, images, height, width, _ = hidden.shape
        size, split = winners.shape[2:4], patches.dtype == torch.float32
        gradient = gradient.contiguous()
        positions = images * (height - 2) * (width - 2)
        maps = _halves(patches, (models, images, height - 2, width - 2, OUTER), split)
        maps_gradient[(triton.cdiv(positions, MAPS["block"]), models)](
            gradient, winners, *maps, images, height, width, *size,
            outer=OUTER, split=split, **MAPS,
        )  # fmt: skip
        parts = hidden.new_empty(models, PARTS, 3, 3, OUTER, INNER, dtype=torch.float32)
        block = WEIGHT_GRADIENT["block"]
        share = triton.cdiv(triton.cdiv(positions, PARTS), block) * block
        weight_gradient[(3, PARTS, models)](
            *maps, hidden, hidden_low, parts, images, share, height, width,
            inner=INNER, outer=OUTER, split=split, **WEIGHT_GRADIENT,
        )  # fmt: skip
        columns = patches.shape[1]
        blocks = triton.cdiv(images * height * width, FIRST_GRADIENT["block"])
        wide = _wide(columns + 1)
        firsts = parts.new_empty(models, blocks, INNER, wide)
        first_gradient[(blocks, models)](
            *maps, *matrix, hidden, patches, firsts, images, columns, height, width,
            wide=wide, inner=INNER, outer=OUTER, precision="tf32x3" if split else "tf32",
            split=split, **FIRST_GRADIENT,
        )  # fmt: skip
        first = firsts.sum(1)
        weight1 = first[:, :, :columns].unflatten(2, (3, 3, -1)).permute(0, 1, 4, 2, 3)
        return TrunkGradients(
            weight1,
            first[:, :, columns],
            parts.sum(1).permute(0, 3, 4, 1, 2),
            gradient.unflatten(2, (-1, OUTER)).sum((1, 2)),
        )


def _halves(like: Tensor, shape: tuple[int, ...], split: bool) -> tuple[Tensor, Tensor]:
    """Room for numbers and for what each leaves out, or twice the same where nothing is."""
    high = like.new_empty(shape, dtype=HALF)
    return high, torch.empty_like(high) if split else high


def _as_halves(numbers: Tensor, split: bool) -> tuple[Tensor, Tensor]:
    high = numbers.to(HALF)
    return high, (numbers - high).to(HALF) if split else high


def _wide(columns: int) -> int:
    """The size of a product's shorter side that the kernels can take."""
    return max(16, triton.next_power_of_2(columns))
