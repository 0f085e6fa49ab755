"""A network whose layers are computed in other ways where these are quicker on a CPU."""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import nn

from normscope.models.native import batchnorm, convolution, small_maps
from normscope.models.native.library import open_library

if TYPE_CHECKING:
    import ctypes
    from collections.abc import Collection

    from torch import Tensor

IN_C = (convolution, batchnorm)

TOLERANCES = {torch.float32: 1e-4, torch.float64: 1e-12}
"""Of the largest number, in the check; rounding is a tenth of them."""


def quicken(model: nn.Module, spared: Collection[nn.Module] = ()) -> int:
    """Compute layers of a network on a CPU in quicker ways; those of other kinds stay.

    A layer keeps its class, weights and hooks, and goes its ordinary way whenever what it meets is
    not what the quicker one is made for. In float64 the numbers are the same to 1e-12, in float32
    rounding differs.

    Args:
        model: In one precision, channels last.
        spared: Layers that stay as they are.

    Returns:
        How many layers were changed.
    """
    return sum(_quicken(module) for module in model.modules() if module not in spared)


def _quicken(module: nn.Module) -> bool:
    changed, in_c = False, [kind for kind in IN_C if kind.suits(module)]
    if small_maps.suits(module):
        forward: Any = small_maps.forward_by(module)
        module.forward, changed = forward, True
    for kind in in_c:
        library = trusted_library(module.get_parameter("weight").dtype)
        if library is not None:
            forward_by: Any = kind.forward_by
            module.forward, changed = forward_by(library, module), True
    return changed


@cache
def trusted_library(dtype: torch.dtype) -> ctypes.CDLL | None:
    """The library for numbers of a type, once it agrees with torch.

    Returns:
        None where there is none, or where it strays, which a warning says.
    """
    library = open_library(dtype)
    if library is None:
        return None
    off = _strays(library, dtype)
    if off <= TOLERANCES[dtype]:
        return library
    warnings.warn(
        f"layers in C are left out: they must agree with torch's, got a difference of {off:.1e}. "
        "Training goes on with torch's.",
        RuntimeWarning,
        stacklevel=2,
    )
    return None


def _strays(library: ctypes.CDLL, dtype: torch.dtype) -> float:
    """How far a small network's answer and gradients are off, as a share of the largest."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype)

    x = drawn(3, 8, 9, 6).contiguous(memory_format=torch.channels_last)
    numbers = [x, drawn(16, 8, 3, 3), drawn(16), drawn(16)]
    weights, epsilon = drawn(3, 16, 9, 6), 1e-5

    def ours(x: Tensor, kernel: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        y = convolution.convolve(x, kernel, None, library)
        return batchnorm.normalize(y, scale, bias, epsilon, library)[0]

    def theirs(x: Tensor, kernel: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        y = F.conv2d(x, kernel, padding=1)
        return F.batch_norm(y, None, None, scale, bias, training=True, eps=epsilon)

    off = 0.0
    with torch.enable_grad():
        results = []
        for network in (ours, theirs):
            inputs = [each.clone().requires_grad_() for each in numbers]
            answer = network(*inputs)
            results.append(
                [answer.detach(), *torch.autograd.grad((answer * weights).sum(), inputs)]
            )
    for mine, right in zip(*results, strict=True):
        off = max(off, float((mine - right).abs().max() / right.abs().max()))
    return off
