"""Which layers of a network an image meets, in what order: found by running it."""

from __future__ import annotations

import torch
from torch import nn

from normscope.errors import NormscopeError


def layers_called(
    model: nn.Module, channels: int, image_size: tuple[int, int]
) -> list[tuple[str, nn.Module]]:
    """The layers with weights in the order in which an image meets them, whatever their names.

    A black image is run through the network, and every module called that has a weight of two or
    more dimensions of its own counts (a convolution, a linear layer or a patch embedding, not a
    BatchNorm).

    Args:
        model: Any network; its mode and buffers are left as they were.
        channels: Channels of the images.
        image_size: Height and width in pixels.

    Returns:
        At least one layer with its name in the network.

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
    names = {module: name for name, module in model.named_modules()}
    return [(names[module], module) for module in called]
