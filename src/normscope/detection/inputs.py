"""The network and the images that a detection is asked about, or why they will not do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from normscope.errors import NormscopeError
from normscope.models.building import build_model
from normscope.models.options import ModelOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from torch import nn

IMAGES_PER_CONSTANT = 4
"""Fewer cannot show how much images differ in as many directions as there are constants."""

OUTPUTS = 1000
"""What a network is built with where its weights do not say otherwise."""


def build_network(name: str, weights: str | Path | None, sample: np.ndarray) -> nn.Module:
    """The network of a name with its weights, for images of these channels.

    Args:
        name: A model's name.
        weights: A file, ``"default"``, or None for a factory of the user's that loads its own.
        sample: Images that it is to look at, shape ``(N, C, H, W)``.

    Returns:
        The network.

    Raises:
        NormscopeError: If the weights are missing or do not fit.
    """
    if weights is None and ":" not in name:
        raise NormscopeError(
            f"{name} must be given its weights, got none. Pass --weights FILE, or --weights "
            "default."
        )
    options = ModelOptions(weights=None if weights is None else str(weights))

    def built(channels: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            return build_model(
                name, channels=channels, classes=OUTPUTS, image_size=sample.shape[2:],
                options=options,
            )  # fmt: skip

    channels = sample.shape[1]
    try:
        return built(channels)
    except NormscopeError:
        other = {1: 3, 3: 1}.get(channels)
        if other is None or not _builds(built, other):
            raise
        kind = "rgb" if other == 3 else "grey"
        raise NormscopeError(
            f"images must have {other} channel{'s' * (other > 1)} to fit these weights of {name}, "
            f"got {channels}. Use --channels {kind}."
        ) from None


def _builds(built: Callable[[int], nn.Module], channels: int) -> bool:
    try:
        built(channels)
    except NormscopeError:
        return False
    return True


def check_numbers(batch_size: int, count: int) -> None:
    """Refuse numbers that are too small.

    Args:
        batch_size: Of ``--batch-size``.
        count: Of ``--count``.

    Raises:
        NormscopeError: If one is.
    """
    for option, number, least in (("--batch-size", batch_size, 2), ("--count", count, 1)):
        if number < least:
            raise NormscopeError(
                f"{option} must be at least {least}, got {number}. Give a larger number."
            )


def check_images(images: np.ndarray) -> None:
    """Refuse images that cannot tell the constants.

    Args:
        images: Shape ``(N, C, H, W)``.

    Raises:
        NormscopeError: If they are too few, or a channel is constant.
    """
    channels = images.shape[1]
    needed = IMAGES_PER_CONSTANT * 2 * channels
    if len(images) < needed:
        raise NormscopeError(
            f"images must be at least {needed} to tell {2 * channels} constants (a mean and a std "
            f"for each channel), got {len(images)}. Give more images, or raise --count."
        )
    for channel in range(channels):
        values = images[:, channel]
        if values.min() == values.max():
            raise NormscopeError(
                f"images must vary in every channel, got the same value {values.flat[0]:g} for "
                f"every pixel of channel {channel}. Give images like those of the training."
            )
