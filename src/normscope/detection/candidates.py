"""The normalizations that networks are known to be trained with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from normscope.models.preprocessing.claim import BGR, RGB
from normscope.normalization import BYTES, CLIP, HALF, IMAGENET, MNIST, NONE, Normalization

CENTRED_BYTES = Normalization(0.5, 1 / 255)
"""Pixels of 0..255 less 127.5."""

CAFFE = Normalization((123.68 / 255, 116.779 / 255, 103.939 / 255), 1 / 255)
"""Pixels of 0..255, blue first, less ImageNet's mean: VGG's in Caffe.

Simonyan and Zisserman (2014), https://gist.github.com/ksimonyan/211839e770f7b538e2d8.
"""

CIFAR10 = Normalization((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
"""CIFAR-10's pixel mean and std (Krizhevsky 2009), to four digits."""

CIFAR10_IMAGES = Normalization((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
"""With the mean of each image's std in its place, as many training scripts have it.

https://github.com/chenyaofo/image-classification-codebase/issues/5
"""

FASHION_MNIST = Normalization(0.2860, 0.3530)
"""Fashion-MNIST's pixel mean and std (Xiao et al. 2017), to four digits."""

KNOWN: dict[str, tuple[Normalization, str]] = {
    "imagenet": (IMAGENET, RGB),
    "half": (HALF, RGB),
    "none": (NONE, RGB),
    "0..255": (BYTES, RGB),
    "caffe": (CAFFE, BGR),
    "clip": (CLIP, RGB),
    "mnist": (MNIST, RGB),
    "centred 0..255": (CENTRED_BYTES, RGB),
    "cifar10": (CIFAR10, RGB),
    "cifar10 image std": (CIFAR10_IMAGES, RGB),
    "fashion-mnist": (FASHION_MNIST, RGB),
}
"""Each with its usual order of channels."""

OF_GREY_DIGITS = {"mnist", "fashion-mnist"}
"""Statistics of one channel, which are repeated for colour at most, and not for bands."""


@dataclass(frozen=True)
class Candidate:
    """A normalization in one order of channels, known or given.

    Attributes:
        name: Ends in ``, bgr`` or ``, rgb`` where the order is not its usual one; of given
            constants the numbers.
        normalization: Red, green, blue, whatever the order; one value for each channel.
        order: In which the network takes the channels: ``rgb`` or ``bgr``.
        usual: Whether that is the candidate's usual order.
        given: Whether somebody gave these constants, and they are none of the known.
        fitted: Whether something else fitted them, so that they are not exact.
    """

    name: str
    normalization: Normalization
    order: str
    usual: bool
    given: bool = False
    fitted: bool = False

    @classmethod
    def of(cls, normalization: Normalization, order: str, *, fitted: bool = False) -> Candidate:
        """Given constants.

        Args:
            normalization: Red first, one value for each channel.
            order: In which the network is to take the channels.
            fitted: Whether something else fitted them.

        Returns:
            The candidate.
        """
        means, stds = (v if len(set(v)) > 1 else v[:1] for v in vars(normalization).values())
        each = Normalization(means, stds)
        name = f"about {each:.3g}" if fitted else f"{each:.4g}"
        return cls(name, normalization, order, True, True, fitted)

    @property
    def in_words(self) -> str:
        """Its name and numbers."""
        return self.name if self.given else f"{self.name} ({self.normalization:.4g})"

    @property
    def unknowns(self) -> np.ndarray:
        """Mean and log std, shape ``(2 C,)``."""
        return np.r_[self.normalization.mean, np.log(self.normalization.std)]

    def to_json(self) -> dict[str, Any]:
        """Its name, normalization and order."""
        normalization = self.normalization.to_json()
        return {"name": self.name, "normalization": normalization, "order": self.order}


def candidates(channels: int) -> list[Candidate]:
    """What fits images of so many channels.

    Returns:
        Both orders of each for three channels; for others those with one value for all.
    """
    return [
        Candidate(
            name if order == usual else f"{name}, {order}",
            normalization.for_channels(channels), order, order == usual,
        )
        for name, (normalization, usual) in KNOWN.items()
        if normalization.channels in {1, channels}
        and (channels in {1, 3} or name not in OF_GREY_DIGITS)
        for order in orders(channels)
    ]  # fmt: skip


def orders(channels: int) -> tuple[str, ...]:
    """The orders in which a network may take channels."""
    return (RGB, BGR) if channels == 3 else (RGB,)
