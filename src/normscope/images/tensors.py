"""Images as tensors, without a copy, and normalized."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from normscope.quiet import without_warnings

if TYPE_CHECKING:
    from torch import Tensor

    from normscope.images.decoded import LabelledImages
    from normscope.normalization import Normalization


def shared(array: np.ndarray) -> Tensor:
    """A tensor over an array's own memory."""
    # One channel may have any stride, and torch picks another convolution by it: laid out anew, so
    # that a result does not depend on where the array comes from.
    flat = np.ascontiguousarray(array).reshape(-1)
    # A file mapped for reading cannot be written to, and nothing here writes.
    with without_warnings():
        return torch.from_numpy(flat).view(array.shape)


def resident(images: LabelledImages, device: torch.device) -> tuple[Tensor, Tensor]:
    """Images where they are looked at again and again.

    Args:
        images: Some of those that are held.
        device: A CPU shares the memory of what is held; another device gets its own images alone.

    Returns:
        Pixels as they are held, shape ``(M, C, H, W)``, and the rows among them, int64, shape
        ``(N,)``.
    """
    if device.type == "cpu" and images.rows is not None:
        return shared(images.held), shared(images.rows)
    return on_device(images.pixels, device), torch.arange(len(images), device=device)


def on_device(pixels: np.ndarray, device: torch.device) -> Tensor:
    """Pixels on a device.

    Args:
        pixels: Of any type.
        device: Only a CPU has operations for every type, so that elsewhere all but bytes are
            float32, as a network is given them anyway.

    Returns:
        The same values.
    """
    tensor = shared(pixels)
    if device.type != "cpu" and tensor.dtype != torch.uint8:
        tensor = tensor.float()
    return tensor.to(device)


def per_channel(normalization: Normalization, like: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and std as they are taken off images and divide them.

    Args:
        normalization: With one value, or one per channel.
        like: Gives the type and the device.

    Returns:
        Two tensors of shape ``(C, 1, 1)``.
    """
    mean, std = (
        like.new_tensor(values).view(-1, 1, 1) for values in (normalization.mean, normalization.std)
    )
    return mean, std


def normalized(pixels: Tensor, normalization: Normalization) -> Tensor:
    """Normalize pixels as torchvision does.

    Args:
        pixels: In [0, 1], shape ``(N, C, H, W)``.
        normalization: With one value, or one per channel.

    Returns:
        The same shape and type.
    """
    mean, std = per_channel(normalization, pixels)
    return (pixels - mean) / std
