"""A network whose layers compute by the library in C where that is quicker."""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import nn

from normscope.models.native import batchnorm, convolution
from normscope.models.native.library import open_library

if TYPE_CHECKING:
    import ctypes
    from collections.abc import Collection

    from torch import Tensor

KINDS = (convolution, batchnorm)

TOLERANCES = {torch.float32: 1e-4, torch.float64: 1e-12}
"""Of the largest number, in the check; rounding is a tenth of them."""


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
        if module not in spared and (dtype := _type_of(module)):
            library = trusted_library(dtype)
            changed += library is not None and _quicken(module, library)
    return changed


def _type_of(module: nn.Module) -> torch.dtype | None:
    suits = any(kind.suits(module) for kind in KINDS)
    return module.get_parameter("weight").dtype if suits else None


def _quicken(module: nn.Module, library: ctypes.CDLL) -> bool:
    for kind in KINDS:
        if kind.suits(module):
            module.forward = kind.forward_by(library, module)  # pyright: ignore[reportArgumentType]
            return True
    return False


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
