"""The first layer of any network: found by running it, scaled, and measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from normscope.models.tracing import layers_called

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from normscope.init_scale import InitScale


def find_first_layer(model: nn.Module, channels: int, image_size: tuple[int, int]) -> nn.Module:
    """The first layer with weights that an image meets, whatever its name.

    Args:
        model: Any network; its mode and buffers are left as they were.
        channels: Channels of the images.
        image_size: Height and width in pixels.

    Returns:
        The layer, itself a part of ``model``.
    """
    return layers_called(model, channels, image_size)[0][1]


def scale_first_layer(layer: nn.Module, scale: InitScale) -> None:
    """Multiply a layer's weight and bias in place.

    Args:
        layer: The first layer.
        scale: The factors; the bias's is ignored where there is no bias.
    """
    with torch.no_grad():
        layer.get_parameter("weight").mul_(scale.weight)
        if getattr(layer, "bias", None) is not None:
            layer.get_parameter("bias").mul_(scale.bias)


def describe_first_layer(layer: nn.Module) -> dict[str, float | None]:
    """Mean and population standard deviation of a layer's weights and of its biases.

    Returns:
        ``weight_mean``, ``weight_std``, ``bias_mean`` and ``bias_std``; None for a bias that the
        layer does not have.
    """
    numbers: dict[str, float | None] = {}
    for name in ("weight", "bias"):
        values = getattr(layer, name, None)
        if isinstance(values, torch.Tensor):
            values = values.detach().cpu().double()
            numbers[f"{name}_mean"] = values.mean().item()
            numbers[f"{name}_std"] = values.std(correction=0).item()
        else:
            numbers[f"{name}_mean"] = numbers[f"{name}_std"] = None
    return numbers


def floating_dtype(model: nn.Module) -> torch.dtype:
    """What type of numbers a network computes with, by its first weights; float32 without any."""
    weights = (t.dtype for t in model.parameters() if t.is_floating_point())
    return next(weights, torch.float32)


def channels_taken(model: nn.Module) -> int | None:
    """How many channels a network's first convolution takes, in the order of its layers.

    Args:
        model: The network.

    Returns:
        Their number; None where there is no convolution.
    """
    for module in model.modules():
        if isinstance(module, nn.modules.conv._ConvNd):
            return module.in_channels
    return channels_of_weights(model.state_dict())


def channels_of_weights(weights: Mapping[str, Tensor]) -> int | None:
    """How many channels the first kernel among weights has.

    Args:
        weights: By name, in the order of the layers.

    Returns:
        Their number; None where there is no kernel of four axes.
    """
    kernels = (tensor for tensor in weights.values() if tensor.ndim == 4)
    return next((kernel.shape[1] for kernel in kernels), None)
