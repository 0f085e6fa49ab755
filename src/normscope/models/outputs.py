"""What comes out of a network: one tensor with an output for each class of the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from normscope.errors import NormscopeError
from normscope.models.tracing import layers_called

if TYPE_CHECKING:
    from collections.abc import Sequence


def only_tensor(outputs: Any, name: str) -> Tensor:
    """The one tensor in what a program gives.

    Args:
        outputs: A tensor or a NumPy array, alone in a tuple, list or mapping or as it is; or what
            has it under ``logits``.
        name: What gives them, for errors.

    Returns:
        The tensor.

    Raises:
        NormscopeError: If there is none, or several.
    """
    if hasattr(outputs, "logits"):
        outputs = outputs.logits
    elif isinstance(outputs, dict):
        outputs = [outputs["logits"]] if "logits" in outputs else list(outputs.values())
    if isinstance(outputs, list | tuple):
        if len(outputs) != 1:
            raise NormscopeError(
                f"{name} must have one output, shape (N, classes), got {len(outputs)}. "
                "Give the classes' alone."
            )
        outputs = outputs[0]
    if isinstance(outputs, np.ndarray):
        outputs = torch.from_numpy(outputs)
    if not isinstance(outputs, Tensor):
        raise NormscopeError(
            f"{name} must give a tensor of shape (N, classes), got {type(outputs).__name__}. "
            "Give the classes' alone."
        )
    return outputs


class Logits(nn.Module):
    """A network whose output is the ``logits`` of what another returns, as transformers' are.

    Args:
        model: Returns something with a field ``logits``, or one tensor.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """The logits ``(N, outputs)`` of normalized images ``(N, C, H, W)``."""
        return only_tensor(self.model(images), type(self.model).__name__)


def without_wrapping(model: nn.Module) -> nn.Module:
    """The network whose names its weights go by: what a ``Logits`` holds, or the network itself."""
    return model.model if isinstance(model, Logits) else model


class SelectedOutputs(nn.Module):
    """Some outputs of a network, as when a source has a few of ImageNet's classes.

    Args:
        model: Gives more outputs.
        indices: The output of each class.
    """

    def __init__(self, model: nn.Module, indices: Sequence[int]) -> None:
        super().__init__()
        self.model = model
        self.indices: Tensor
        self.register_buffer("indices", torch.tensor(indices), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """The outputs ``(N, classes)`` of the source's classes, of images ``(N, C, H, W)``."""
        return self.model(images)[:, self.indices]


def replace_head(
    model: nn.Module, classes: int, channels: int, image_size: tuple[int, int], name: str
) -> None:
    """Put a freshly initialized layer in the place of the last one.

    Args:
        model: Changed in place.
        classes: How many outputs the new layer has.
        channels: Channels of the images.
        image_size: Height and width in pixels.
        name: What the model is called in errors.

    Raises:
        NormscopeError: If the last layer that an image meets is neither linear nor a convolution.
    """
    path, last = layers_called(model, channels, image_size)[-1]
    bias = getattr(last, "bias", None) is not None
    if isinstance(last, nn.Linear):
        new: nn.Module = nn.Linear(last.in_features, classes, bias=bias)
    elif isinstance(last, nn.Conv2d) and last.kernel_size == (1, 1):
        new = nn.Conv2d(last.in_channels, classes, 1, bias=bias)
    else:
        raise NormscopeError(
            "--new-head must be used with a network that ends in a linear layer or a 1 x 1 "
            f"convolution, got {name}, which ends in {type(last).__name__}. Replace its head "
            "in a factory of your own."
        )
    parent, _, attribute = path.rpartition(".")
    setattr(model.get_submodule(parent), attribute, new)
