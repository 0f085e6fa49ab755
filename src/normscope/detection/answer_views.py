"""The same images shown a little differently: what a network trained on such images bears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.detection.answers import Asking
from normscope.normalization import Normalization

if TYPE_CHECKING:
    from normscope.detection.answers import Network
    from normscope.detection.candidates import Candidate

SHIFT_SHARE = 1 / 16
"""Of the height and the width; where nothing was, the edge is repeated."""


@dataclass(frozen=True)
class View:
    """One way to show images.

    Attributes:
        contrast: By which colours are stretched about their mean.
        brightness: What is added to pixels of [0, 1].
        shifted: Whether the image is moved down and right.
    """

    contrast: float = 1.0
    brightness: float = 0.0
    shifted: bool = False


PLAIN, SHIFTED = View(), View(shifted=True)
SOFTER, HARDER = View(contrast=0.8), View(contrast=1.25)
DARKER, BRIGHTER = View(brightness=-0.1), View(brightness=0.1)
SOFTER_SHIFTED, HARDER_SHIFTED = View(contrast=0.8, shifted=True), View(contrast=1.25, shifted=True)
VIEWS = (PLAIN, SHIFTED, SOFTER, HARDER, DARKER, BRIGHTER, SOFTER_SHIFTED, HARDER_SHIFTED)


def near(one: Normalization, other: Normalization) -> bool:
    """Whether constants are as near as answers hardly tell.

    Views are compared one step of contrast and brightness apart: nearer constants look the same.

    Args:
        one: With one value for each channel.
        other: With as many.

    Returns:
        Whether it is so in every channel.
    """
    brighter = np.abs(np.subtract(one.mean, other.mean)).max()
    harder = np.abs(np.log(np.divide(one.std, other.std))).max()
    return bool(brighter <= BRIGHTER.brightness and harder <= np.log(HARDER.contrast))


@dataclass(frozen=True)
class Views:
    """A network that is shown its images in every way.

    Attributes:
        plain: The network with the images as they are.
        shifted: The same with shifted ones.
        mean: Of the pixels, by channel, about which the contrast changes.
    """

    plain: Asking
    shifted: Asking
    mean: np.ndarray

    @classmethod
    def of(cls, network: Network, pixels: np.ndarray) -> Views:
        """All ways to show some images.

        Args:
            network: As ``Asking`` takes it.
            pixels: uint8, or floats in [0, 1], shape ``(N, C, H, W)``.

        Returns:
            The views.
        """
        plain = Asking(network, pixels)
        mean = plain.pixels.double().mean((0, 2, 3)).numpy()
        return cls(plain, plain.on(_shifted(pixels)), mean)

    def log_probabilities(self, candidate: Candidate, view: View) -> np.ndarray:
        """Answers under one normalization, the images shown in one way, shape ``(N, K)``."""
        asking = self.shifted if view.shifted else self.plain
        return asking.log_probabilities(self._seen(candidate.normalization, view), candidate.order)

    def _seen(self, normalization: Normalization, view: View) -> Normalization:
        """What normalizes pixels as they are to what changed pixels would be normalized to."""
        offset = self.mean * (1 - view.contrast) + view.brightness
        mean, std = np.array(normalization.mean), np.array(normalization.std)
        return Normalization(
            ((mean - offset) / view.contrast).tolist(), (std / view.contrast).tolist()
        )


def _shifted(pixels: np.ndarray) -> np.ndarray:
    down, right = (max(1, round(SHIFT_SHARE * size)) for size in pixels.shape[2:])
    padded = np.pad(pixels, ((0, 0), (0, 0), (down, 0), (right, 0)), mode="edge")
    return np.ascontiguousarray(padded[:, :, : pixels.shape[2], : pixels.shape[3]])
