"""The layers that a folded model has in place of its first ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from normscope.deploy.padding import same_sides

if TYPE_CHECKING:
    from collections.abc import Sequence

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
BATCH_NORMS = {kind.__name__: kind for kind in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)}


class RawPixels(nn.Module):
    """A folded model that takes pixels of any type, such as uint8.

    Args:
        model: Takes raw pixels in floating point.
        dtype: That floating point type.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.model = model
        self.dtype = dtype

    def forward(self, pixels: Tensor) -> Tensor:
        """What the unfolded model gives for the normalized pixels, of raw ones ``(N, C, H, W)``."""
        return self.model(pixels.to(self.dtype))


class ChannelPad(nn.Module):
    """Pads each channel with a value of its own.

    Zeros around normalized pixels are the channels' means around raw ones.

    Args:
        sides: As ``torch.nn.functional.pad`` takes them: the last dimension's two sides first.
        channels: How many channels.
        before: Sides that the network has put around the pixels already, and that are cut off.
    """

    def __init__(self, sides: Sequence[int], channels: int, before: Sequence[int] = ()) -> None:
        super().__init__()
        self.sides = tuple(sides)
        self.before = tuple(before)
        self.value: Tensor
        self.register_buffer("value", torch.zeros(channels, *[1] * (len(self.sides) // 2)))

    def forward(self, pixels: Tensor) -> Tensor:
        """The pixels ``(N, C, ...)`` with wider sides."""
        if self.before:
            pixels = functional.pad(pixels, [-side for side in self.before])
        sides = self.sides_of(pixels)
        if not any(sides):
            return pixels
        inside = functional.pad(torch.ones_like(pixels[:1, :1]), sides)
        return functional.pad(pixels, sides) + (1 - inside) * self.value

    def sides_of(self, pixels: Tensor) -> Sequence[int]:  # noqa: ARG002
        """How wide these pixels are padded."""
        return self.sides


class SamePad(ChannelPad):
    """The same to the sides that follow from an image's size by TensorFlow's ``same``.

    Args:
        channels: How many channels.
        **convolution: The kernel's size, the stride and the dilation of what reads them.
    """

    def __init__(self, channels: int, **convolution: Sequence[int]) -> None:
        super().__init__([0] * 2 * len(convolution["kernel"]), channels)
        self.convolution = convolution

    def sides_of(self, pixels: Tensor) -> Sequence[int]:
        """How wide these pixels are padded."""
        return same_sides(pixels.shape[2:], **self.convolution)


class PaddedConvolution(nn.Sequential):
    """A convolution behind padding that has a value for each channel.

    Args:
        sides: The padding, as ``ChannelPad`` takes it; ``"same"`` for TensorFlow's.
        before: Likewise.
        **convolution: What the convolution is built with, and its ``dimensions``.
    """

    def __init__(
        self, sides: Sequence[int] | str, before: Sequence[int] = (), **convolution: Any
    ) -> None:
        options = dict(convolution)
        dimensions = options.pop("dimensions")
        super().__init__()
        if isinstance(sides, str):
            self.pad: ChannelPad = SamePad(
                options["in_channels"], kernel=options["kernel_size"], stride=options["stride"],
                dilation=options["dilation"],
            )  # fmt: skip
        else:
            self.pad = ChannelPad(sides, options["in_channels"], before)
        self.convolution = CONVOLUTIONS[dimensions](**options)

    def __getattr__(self, name: str) -> Any:
        """What a network asks its convolution for, such as the type of its weights."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("convolution"), name)


def build_layer(plan: dict[str, Any]) -> nn.Module:
    """The layer that a plan describes, with weights yet to be loaded.

    Args:
        plan: Plain values: its ``kind``, and what a layer of the kind is built with.

    Returns:
        The layer, in float32.

    Raises:
        KeyError: If there is no such kind.
    """
    options = {key: value for key, value in plan.items() if key != "kind"}
    if plan["kind"] in BATCH_NORMS:
        return BATCH_NORMS[plan["kind"]](**options).eval()
    if plan["kind"] == "Convolution":
        return CONVOLUTIONS[options.pop("dimensions")](**options)
    kinds = {"Identity": nn.Identity, "Linear": nn.Linear, "PaddedConvolution": PaddedConvolution}
    return kinds[plan["kind"]](**options)


def put_layer(model: nn.Module, name: str, layer: nn.Module) -> nn.Module:
    """Put a layer in the place of a network's, under each of its names.

    Args:
        model: Changed in place.
        name: One of the old layer's names; empty if the model is that layer itself.
        layer: The new one.

    Returns:
        The network.
    """
    if not name:
        return layer
    old = model.get_submodule(name)
    for parent in list(model.modules()):
        for attribute, child in list(parent._modules.items()):
            if child is old:
                setattr(parent, attribute, layer)
    return model
