"""Where the pixels enter a network: found by watching every operation that reads them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from normscope.deploy.padding import same_sides
from normscope.deploy.watching import CONVOLUTIONS, Calls, Watch, storage_of
from normscope.errors import NormscopeError
from normscope.machine.without_compiler import without_compiler
from normscope.wording import first_line

if TYPE_CHECKING:
    from torch import Tensor

    from normscope.deploy.padding import Padding


class NoExactFold(NormscopeError):
    """The pixels do not meet one layer first.

    Args:
        met: What was found in its place.
    """

    def __init__(self, met: str) -> None:
        super().__init__(
            "one convolution, linear layer or BatchNorm must read the pixels, unchanged and once, "
            f"for an exact fold; here {met}. Keep the normalization outside the model."
        )

    def __reduce__(self) -> tuple[type[NormscopeError], tuple[str]]:
        return NormscopeError, (str(self),)


@dataclass(frozen=True)
class Entry:
    """The one layer that the pixels meet first.

    Attributes:
        name: Its name in the network.
        layer: A convolution, a linear layer or a BatchNorm.
        features: For each of its input channels (or features), the image's channel it comes from.
        padding: What is put around the pixels in front of it, besides its own padding.
    """

    name: str
    layer: nn.Module
    features: tuple[int, ...]
    padding: Padding | None = None


def find_entry(model: nn.Module, channels: int, image_size: tuple[int, int]) -> Entry:
    """The layer through which every pixel enters a network.

    An image whose pixels hold the number of their channel is run through it, so that what reaches
    the layer says where it comes from, whatever views, slices and permutations lie between.

    Args:
        model: In evaluation mode.
        channels: Channels of the images.
        image_size: Height and width in pixels.

    Returns:
        The layer.

    Raises:
        NormscopeError: If anything but one convolution, linear layer or BatchNorm reads pixels,
            if that layer is used more than once, or if it mixes channels in one feature.
        NoExactFold: Which is that error.
    """
    entry = _traced(model, channels, image_size)
    padding = entry.padding
    if padding is None:
        return entry
    larger = (image_size[0] + 1, image_size[1] + 1)
    try:
        other = _traced(model, channels, larger).padding
    except NormscopeError:
        return entry  # it takes images of one size
    if other is None or other == padding:
        return entry
    layer = entry.layer
    follows = isinstance(layer, CONVOLUTIONS) and all(
        found.sides == tuple(same_sides(size, layer.kernel_size, layer.stride, layer.dilation))
        for found, size in ((padding, image_size), (other, larger))
    )
    if not (follows and padding.inside and padding.value == 0):
        raise NoExactFold("padding in front of it depends on the size of the image")
    return replace(entry, padding=replace(padding, same=True))


def not_taken(image: Tensor, reason: str) -> str:
    """What is said where a network does not run on such images ``(N, C, H, W)``."""
    return (
        f"the model must take images of shape {tuple(image.shape[1:])}, got: {reason}. Give its "
        "--image-size and --channels."
    )


def _traced(model: nn.Module, channels: int, image_size: tuple[int, int]) -> Entry:
    parameter = next(model.parameters(), torch.empty(0))
    numbers = torch.arange(1, channels + 1, dtype=parameter.dtype, device=parameter.device)
    image = numbers.reshape(1, -1, 1, 1).expand(2, -1, *image_size).contiguous()
    watch = Watch(image)
    calls = Calls(model, watch)
    try:
        with without_compiler(), torch.no_grad(), watch:
            model(image)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError) as error:
        raise NormscopeError(not_taken(image, first_line(error))) from error
    finally:
        calls.remove()
    return _only_entry(model, watch, calls, channels)


def _only_entry(model: nn.Module, watch: Watch, calls: Calls, channels: int) -> Entry:
    names = {module: name for name, module in model.named_modules()}
    readers = list(dict.fromkeys(watch.readers))
    foreign = [operation for module, operation in readers if module is None]
    if foreign:
        raise NoExactFold(f"the network computes with the pixels by '{foreign[0]}'")
    layers = list(dict.fromkeys(module for module, _ in readers if module is not None))
    if not layers:
        raise NoExactFold("no layer reads the pixels")
    if len(layers) > 1:
        raise NoExactFold(f"{len(layers)} layers do ({', '.join(names[m] for m in layers)})")
    (layer,) = layers
    if len(calls.given[layer]) > 1:
        raise NoExactFold(f"{names[layer]} is used {len(calls.given[layer])} times")
    given = calls.given[layer][0]
    padding = _padding(watch, calls, given, layer)
    axis = -1 if isinstance(layer, nn.Linear) else 1
    return Entry(names[layer], layer, features_of(given, axis, channels), padding)


def _padding(watch: Watch, calls: Calls, given: Tensor, layer: nn.Module) -> Padding | None:
    if storage_of(given) not in watch.padded:
        return None
    padded, padding = watch.padded[storage_of(given)]
    whole = given.shape == padded.shape and given.stride() == padded.stride()
    if len(watch.padded) > 1 or not whole or not isinstance(layer, nn.Conv2d):
        raise NoExactFold("the network computes with the pixels by 'constant_pad_nd'")
    if any(calls.padders.count(module) > 1 for module in calls.padders):
        padding = replace(padding, module=None)
    own = layer.padding not in {"valid", (0, 0)}
    if own and (padding.value != 0 or layer.padding_mode != "zeros"):
        raise NoExactFold("it pads what is padded already")
    return padding


def features_of(given: Tensor, axis: int, channels: int) -> tuple[int, ...]:
    """Which channel of the image each feature that a layer reads comes from.

    Args:
        given: What the layer was given for an image whose pixels hold their channel's number.
        axis: Of the features.
        channels: Of the image.

    Returns:
        Indices.

    Raises:
        NoExactFold: If one feature holds pixels of several channels.
    """
    rows = given.movedim(axis, 0).flatten(1)
    if (rows != rows[:, :1]).any():
        raise NoExactFold("channels meet in one of its features")
    return tuple(min(channels, max(1, round(value))) - 1 for value in rows[:, 0].tolist())
