"""What a network answers to images under one normalization, whatever kind of network it is."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from normscope.detection.candidates import BGR
from normscope.errors import NormscopeError
from normscope.images.tensors import normalized, shared
from normscope.machine.cores import images_together
from normscope.models.layout import image_layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from normscope.normalization import Normalization

    Network = Callable[[Tensor], Tensor]

MOST_AT_ONCE = 256
SUMS_TO_ONE = 0.01
"""Outputs in half precision are off by as much as this where they are probabilities."""

SMALLEST = 1e-12


class Asking:
    """A network and the images that it is asked about, again and again.

    Args:
        network: Takes a float batch of normalized pixels, shape ``(N, C, H, W)``, and gives logits
            or probabilities, shape ``(N, K)``. A module must be in evaluation mode.
        pixels: uint8, or floats in [0, 1], shape ``(N, C, H, W)``; red first.
    """

    def __init__(self, network: Network, pixels: np.ndarray) -> None:
        parameter = next(network.parameters(), None) if isinstance(network, nn.Module) else None
        like = torch.empty(0) if parameter is None else parameter.detach()
        scale = 255 if pixels.dtype == np.uint8 else 1
        self._network = network
        self._like = like if like.is_floating_point() else like.float()
        self.pixels = shared(pixels).float().div(scale)
        on_cpu = self._like.device.type == "cpu"
        height, width = pixels.shape[2:]
        most = images_together(height, width, MOST_AT_ONCE) if on_cpu else MOST_AT_ONCE
        self._parts = self.pixels.split(most)

    @cached_property
    def layout(self) -> torch.memory_format:
        """How images are laid out for the network, which is tried with one of them."""
        return image_layout(self._network, self.pixels[:1].to(self._like))

    def on(self, pixels: np.ndarray) -> Asking:
        """The same network and other images."""
        return Asking(self._network, pixels)

    def log_probabilities(self, normalization: Normalization, order: str) -> np.ndarray:
        """The network's answers to all images.

        Args:
            normalization: Of the pixels, red first.
            order: In which the network is given the channels.

        Returns:
            float64, shape ``(N, K)``; nan for images with an output that is not finite.

        Raises:
            NormscopeError: If the network does not give two outputs or more for each image.
        """
        found = []
        for part in self._parts:
            shown = normalized(part, normalization)
            shown = (shown.flip(1) if order == BGR else shown).to(self._like)
            with torch.no_grad():
                outputs = self._network(shown.contiguous(memory_format=self.layout))
            shape = tuple(getattr(outputs, "shape", ()))
            if len(shape) != 2 or shape[0] != len(part) or shape[1] < 2:
                raise NormscopeError(
                    "the network must give two outputs or more for each image, as classifiers do, "
                    f"got {f'shape {shape}' if shape else type(outputs).__name__} for "
                    f"{len(part)} images. Give a classifier."
                )
            found.append(outputs.detach().cpu().double())
        return _log_probabilities(torch.cat(found).numpy())


def _log_probabilities(outputs: np.ndarray) -> np.ndarray:
    outputs = np.where(np.isfinite(outputs).all(1, keepdims=True), outputs, np.nan)
    sums = np.nansum(outputs, axis=1) - np.isfinite(outputs).any(1)
    if np.nanmin(outputs, initial=0) >= 0 and np.abs(sums).max(initial=0) < SUMS_TO_ONE:
        outputs = np.log(np.maximum(outputs, SMALLEST))
    return log_softmax(outputs)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log probabilities from logits, over the last axis."""
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
