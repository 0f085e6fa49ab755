"""A stack's convolutions by kernels of our own, which keep the largest tensors in registers."""

# A kernel is launched with other arguments than its function names.
# pyright: reportCallIssue=false, reportArgumentType=false, reportIndexIssue=false, reportGeneralTypeIssues=false

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton

from normscope.models.stacked.products import as_kernels, as_matrix, first_layer
from normscope.models.stacked.triton_kernels import (
    hidden_gradient,
    pooled_convolution,
    weight_gradient,
)
from normscope.models.stacked.trunk import Trunk, TrunkGradients

if TYPE_CHECKING:
    from torch import Tensor

INNER, OUTER = 32, 64
"""Channels before and after LeNet's second convolution."""

BLOCK = 64
"""Positions that a program works on."""

PARTS = 8
"""Programs that share the sum over positions of one tap's gradient."""


class TritonTrunk(Trunk):
    """The first layer as a matrix product, the second with its pooling in three kernels."""

    def forward(
        self, pixels: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor
    ) -> Tensor:
        """Features of every image by every model; see ``Trunk``."""
        models, images = len(weight1), len(pixels)
        height, width = pixels.shape[2] - 2, pixels.shape[3] - 2
        patches, hidden = first_layer(pixels, weight1, bias1)
        matrix = as_matrix(weight2).contiguous()
        size = ((height - 2) // 2, (width - 2) // 2)
        pooled = hidden.new_empty(models, images, *size, OUTER)
        winners = torch.empty_like(pooled, dtype=torch.int8)
        positions = images * size[0] * size[1]
        pooled_convolution[(triton.cdiv(positions, BLOCK), models)](
            hidden, matrix, bias2.contiguous(), pooled, winners, positions, height, width, *size,
            BLOCK, INNER, OUTER, _precision(hidden),
        )  # fmt: skip
        self._saved = (patches, hidden, matrix, winners)
        return pooled.flatten(2)

    def backward(self, gradient: Tensor) -> TrunkGradients:
        """Gradients at the last ``forward``, once; see ``Trunk``."""
        patches, hidden, matrix, winners = self._saved
        self._saved = ()
        models, images, height, width, _ = hidden.shape
        size = winners.shape[2:4]
        gradient = gradient.contiguous()
        pooled_positions, positions = images * size[0] * size[1], images * height * width
        precision = _precision(hidden)
        parts = hidden.new_empty(models, PARTS, 9 * INNER, OUTER, dtype=torch.float32)
        share = triton.cdiv(triton.cdiv(pooled_positions, PARTS), BLOCK) * BLOCK
        weight_gradient[(9, PARTS, models)](
            gradient, winners, hidden, parts, pooled_positions, height, width, *size, share,
            BLOCK, INNER, OUTER, precision,
        )  # fmt: skip
        of_hidden = torch.empty_like(hidden)
        hidden_gradient[(triton.cdiv(positions, BLOCK), models)](
            gradient, winners, matrix, hidden, of_hidden, positions, height, width, *size,
            BLOCK, INNER, OUTER, precision,
        )  # fmt: skip
        of_hidden = of_hidden.flatten(1, 3)
        weight1 = torch.bmm(of_hidden.mT, patches.expand(models, -1, -1))
        return TrunkGradients(
            as_kernels(weight1),
            of_hidden.sum(1),
            as_kernels(parts.sum(1).mT),
            gradient.unflatten(2, (-1, OUTER)).sum((1, 2)),
        )


def _precision(tensor: Tensor) -> str:
    # Without this, Triton multiplies fp32 as tf32, which keeps ten bits.
    return "ieee" if tensor.dtype == torch.float32 else "tf32"
