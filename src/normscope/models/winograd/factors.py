"""Transformed kernels, the factors of the products of Winograd's convolution."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from normscope.models.winograd.matrices import TAPS

OF_KERNEL = torch.tensor(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    dtype=torch.float64,
)
"""The matrix ``G``, by which a kernel is multiplied from both sides."""


def factors_of(weight: Tensor) -> Tensor:
    """Transform kernels.

    Args:
        weight: Shape ``(out, in, 3, 3)``.

    Returns:
        Shape ``(36, in, out)``.
    """
    taps = weight.permute(2, 3, 1, 0).reshape(TAPS, -1)
    return (_both_sides(weight.dtype) @ taps).unflatten(1, (weight.shape[1], -1))


def weight_gradient(of_factors: Tensor) -> Tensor:
    """A weight's gradient from that of its factors, by the transpose of ``factors_of``."""
    taps = _both_sides(of_factors.dtype).mT @ of_factors.flatten(1)
    return taps.unflatten(1, of_factors.shape[1:]).unflatten(0, (3, 3)).permute(3, 2, 0, 1)


@cache
def _both_sides(dtype: torch.dtype) -> Tensor:
    # The first to ask may be in inference mode, whose tensors autograd cannot use later.
    with torch.inference_mode(mode=False):
        return torch.kron(OF_KERNEL, OF_KERNEL).to(dtype)
