"""The first layer of any network: found by running it, scaled, and measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from normscope.init_scale import InitScale


def find_first_layer(model: nn.Module, channels: int, image_size: tuple[int, int]) -> nn.Module:
    """The first layer with weights that an image meets, whatever its name.

    A black image is run through the network, and the first module called that has a weight of two
    or more dimensions of its own is the first layer (a convolution, a linear layer or a patch
    embedding, not a BatchNorm).

    Args:
        model: Any network; its mode and buffers are left as they were.
        channels: Channels of the images.
        image_size: Height and width in pixels.

    Returns:
        The layer, itself a part of ``model``.

    Raises:
        NormscopeError: If no such layer is called.
    """
    called: list[nn.Module] = []

    def note(module: nn.Module, _: object) -> None:
        weight = getattr(module, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.ndim >= 2:
            called.append(module)

    hooks = [module.register_forward_pre_hook(note) for module in model.modules()]
    was_training = model.training
    model.eval()
    parameter = next(model.parameters(), torch.empty(0))
    black = torch.zeros(
        1, channels, *image_size, device=parameter.device, dtype=torch.get_default_dtype()
    )
    try:
        with torch.inference_mode():
            model(black.to(parameter.dtype))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    if not called:
        raise NormscopeError(
            "the model must have a first layer with weights (a convolution or a linear layer), "
            "got none that an image meets. Check the model."
        )
    return called[0]


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

    Args:
        layer: The first layer.

    Returns:
        ``weight_mean``, ``weight_std``, ``bias_mean`` and ``bias_std``; None for a bias that the
        layer does not have.
    """
    numbers: dict[str, float | None] = {}
    for name in ("weight", "bias"):
        values = getattr(layer, name, None)
        if isinstance(values, torch.Tensor):
            values = values.detach().double()
            numbers[f"{name}_mean"] = values.mean().item()
            numbers[f"{name}_std"] = values.std(correction=0).item()
        else:
            numbers[f"{name}_mean"] = numbers[f"{name}_std"] = None
    return numbers
