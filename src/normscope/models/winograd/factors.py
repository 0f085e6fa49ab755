"""What the products of Winograd's convolution multiply by, and its gradient."""

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
"""The matrix ``G``, which a kernel goes through from both sides."""


def factors_of(weight: Tensor) -> Tensor:
    """What the products multiply by.

    Args:
        weight: Shape ``(out, in, 3, 3)``.

    Returns:
        Shape ``(36, in, out)``.
    """
    taps = weight.permute(2, 3, 1, 0).reshape(TAPS, -1)
    return (_both_sides(weight.dtype) @ taps).unflatten(1, (weight.shape[1], -1))


def weight_gradient(of_factors: Tensor) -> Tensor:
    """The gradient of a weight from that of its factors: the transpose of ``factors_of``."""
    taps = _both_sides(of_factors.dtype).mT @ of_factors.flatten(1)
    return taps.unflatten(1, of_factors.shape[1:]).unflatten(0, (3, 3)).permute(3, 2, 0, 1)


@cache
def _both_sides(dtype: torch.dtype) -> Tensor:
    # Of use to autograd as well, whoever asks first.
    with torch.inference_mode(mode=False):
        return torch.kron(OF_KERNEL, OF_KERNEL).to(dtype)
