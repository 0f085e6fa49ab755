"""The first BatchNorm that an image meets, and whether it reads the first convolution itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm as AnyBatchNorm

from normscope.deploy.entry import find_entry
from normscope.detection.system import Averages
from normscope.errors import NormscopeError
from normscope.models.first_layer import floating_dtype
from normscope.wording import first_line

if TYPE_CHECKING:
    from normscope.deploy.entry import Entry

DEFAULT_MOMENTUM = 0.1
"""torch's; what a training used is not in its weights."""

SMALLEST_SHARE = 1e-10
"""Filters whose running variance is a smaller share of the largest have died and say nothing."""


@dataclass(frozen=True)
class Target:
    """What is to be matched.

    Attributes:
        name: The BatchNorm's name in the network.
        module: The BatchNorm.
        averages: Its running averages, those of dead filters left out.
        alive: Which of its channels those are, bool, shape ``(K,)``.
        convolution: The first convolution where the BatchNorm reads its outputs as they are, with
            input channels in the order of the image's, and what the network pads by in front of it
            among its ``_reversed_padding_repeated_twice``; else None.
        convolution_name: Its name in the network, or None.
    """

    name: str
    module: nn.Module
    averages: Averages
    alive: np.ndarray
    convolution: nn.Conv2d | None
    convolution_name: str | None


def find_target(
    model: nn.Module, channels: int, image_size: tuple[int, int], batch_size: int
) -> Target | None:
    """Run an image through a network and see which BatchNorm it meets first.

    Args:
        model: In evaluation mode.
        channels: Channels of the images.
        image_size: Height and width in pixels.
        batch_size: Images in each batch of the training.

    Returns:
        The target, or None where no BatchNorm with running averages is met.

    Raises:
        NormscopeError: If the network does not take the images, or the averages are not finite
            or fresh.
        OutOfMemoryError: If the device's memory does not suffice.
    """
    entry = _entry(model, channels, image_size)
    convolution = _plain_convolution(entry, channels)
    met: list[tuple[nn.Module, Any]] = []
    convolved: list[tuple[Tensor, Any]] = []
    hooks = [
        module.register_forward_pre_hook(lambda module, given: met.append((module, given[0])))
        for module in model.modules()
        if isinstance(module, AnyBatchNorm) and module.running_mean is not None
    ]
    if convolution is not None and entry is not None:
        layer = model.get_submodule(entry.name)
        hooks.append(
            layer.register_forward_hook(
                lambda _, given, named, answer: convolved.append(
                    (given[0] if given else named["input"], answer)
                ),
                with_kwargs=True,
            )
        )
    device = next(model.parameters(), torch.empty(0)).device
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, channels, *image_size, generator=generator)
    image = image.to(device, floating_dtype(model))
    try:
        with torch.no_grad():
            model(image)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise NormscopeError(
            f"the model must take images of shape {tuple(image.shape[1:])}, got: "
            f"{first_line(error)}. Give --resize and --crop as in its evaluation, and --channels "
            "rgb for grey images of a colour network."
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    if not met:
        return None
    module, given = met[0]
    direct = [answer is given for _, answer in convolved] == [True] and _is_image(
        convolved[0][0], image, entry
    )
    names = {module: name for name, module in model.named_modules()}
    averages, alive = _averages(module, names[module], batch_size)
    return Target(
        names[module], module, averages, alive,
        _in_order(convolution, entry) if direct and convolution and entry else None,
        entry.name if direct and entry else None,
    )  # fmt: skip


def _entry(model: nn.Module, channels: int, image_size: tuple[int, int]) -> Entry | None:
    try:
        return find_entry(model, channels, image_size)
    except NormscopeError:
        # No one layer reads the pixels as they are; the network is then measured as a whole.
        return None


def _is_image(given: Tensor, image: Tensor, entry: Entry | None) -> bool:
    """Whether a layer reads the image itself, but for its channels' order and zeros around it."""
    if entry is None:
        return False
    expected = image[:, list(entry.features)]
    if entry.padding is not None and not entry.padding.inside:
        expected = functional.pad(expected, entry.padding.sides)
    return given.shape == expected.shape and torch.equal(given.to(expected.dtype), expected)


def _plain_convolution(entry: Entry | None, channels: int) -> nn.Conv2d | None:
    layer = entry.layer if entry else None
    if not isinstance(layer, nn.Conv2d) or layer.groups > 1 or entry is None or entry.own:
        return None
    if entry.padding is not None and entry.padding.value != 0:
        return None
    return layer if sorted(entry.features) == list(range(channels)) else None


def _in_order(layer: nn.Conv2d, entry: Entry) -> nn.Conv2d:
    """The convolution with its input channels in the image's order, and all padding its own."""
    ordered = nn.Conv2d(
        layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride,  # type: ignore[arg-type]
        layer.padding, layer.dilation, bias=layer.bias is not None,  # type: ignore[arg-type]
        padding_mode=layer.padding_mode, device=layer.weight.device,  # type: ignore[arg-type]
        dtype=torch.float64,
    )  # fmt: skip
    if entry.padding is not None:
        own = layer._reversed_padding_repeated_twice
        ordered.padding_mode = "zeros"
        ordered._reversed_padding_repeated_twice = [
            a + b for a, b in zip(own, entry.padding.sides, strict=True)
        ]
    with torch.no_grad():
        ordered.weight[:, list(entry.features)] = layer.weight.double()
        if ordered.bias is not None and layer.bias is not None:
            ordered.bias.copy_(layer.bias)
    return ordered


def _averages(module: nn.Module, name: str, batch_size: int) -> tuple[Averages, np.ndarray]:
    mean, variance = (
        getattr(module, f"running_{what}").detach().cpu().double().numpy()
        for what in ("mean", "var")
    )
    if not (np.isfinite(mean).all() and np.isfinite(variance).all() and (variance >= 0).all()):
        raise NormscopeError(
            f"the running averages of {name} must be finite and the variances not negative, got "
            "others: the training diverged. Use an earlier checkpoint."
        )
    if (mean == 0).all() and (variance == 1).all():
        raise NormscopeError(
            f"the running averages of {name} must come from a training, got the zeros and ones of "
            "a fresh network. Give --weights."
        )
    momentum = getattr(module, "momentum", DEFAULT_MOMENTUM)
    if momentum is None:
        counter = getattr(module, "num_batches_tracked", None)
        effective = float(max(int(counter), 1)) if isinstance(counter, Tensor) else 1.0
    else:
        # Weights of a running average fall by 1 - momentum: its noise is that of so many batches.
        effective = (2 - momentum) / momentum
    alive = variance > max(SMALLEST_SHARE * variance.max(), float(np.finfo(np.float32).tiny))
    if not alive.any():
        raise NormscopeError(
            f"the running variances of {name} must be greater than 0, got zeros alone: none of "
            "its inputs varies. Use an earlier checkpoint."
        )
    return Averages(mean[alive], variance[alive], batch_size, effective), alive
