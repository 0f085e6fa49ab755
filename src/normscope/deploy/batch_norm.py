"""A BatchNorm that meets the pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from normscope.deploy.affine import Affine
from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from collections.abc import Sequence


def batch_norm_affine(layer: nn.Module) -> Affine:
    """What a BatchNorm does to each channel."""
    mean, factor, offset = (t.numpy() for t in _batch_norm_numbers(layer))
    return Affine(factor, offset - mean * factor)


def shifted_batch_norm(
    layer: nn.Module, affine: Affine
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A BatchNorm that does a map of its channels itself: its plan and its numbers."""
    assert isinstance(layer, nn.modules.batchnorm._BatchNorm)
    mean, _, bias = _batch_norm_numbers(layer)
    weight = torch.ones_like(mean) if layer.weight is None else layer.weight.detach().double().cpu()
    variance = layer.running_var
    assert variance is not None
    state = {
        "weight": weight * torch.from_numpy(affine.factor),
        "bias": bias,
        "running_mean": (mean - torch.from_numpy(affine.offset)) / torch.from_numpy(affine.factor),
        "running_var": variance.double().cpu(),
    }
    kind = type(layer).__name__
    plan = {
        "kind": "BatchNorm2d" if isinstance(layer, nn.SyncBatchNorm) else kind,
        "num_features": layer.num_features,
        "eps": layer.eps,
    }
    return plan, {name: t.to(variance.device, variance.dtype) for name, t in state.items()}


def _batch_norm_numbers(layer: nn.Module) -> Sequence[Tensor]:
    # Mean, factor and bias in float64.
    assert isinstance(layer, nn.modules.batchnorm._BatchNorm)
    if layer.running_mean is None or layer.running_var is None:
        raise NormscopeError(
            "a BatchNorm that meets the pixels must have running statistics for an exact fold, "
            "got one that uses the batch's own, which undo any normalization. Leave it as it is."
        )
    mean, variance = (t.detach().double().cpu() for t in (layer.running_mean, layer.running_var))
    weight = torch.ones_like(mean) if layer.weight is None else layer.weight.detach().double().cpu()
    bias = torch.zeros_like(mean) if layer.bias is None else layer.bias.detach().double().cpu()
    return mean, weight / torch.sqrt(variance + layer.eps), bias
