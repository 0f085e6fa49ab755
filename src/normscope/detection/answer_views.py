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

PLAIN, FLIPPED, SHIFTED = "plain", "flipped", "shifted"
CONTRASTS = {"softer": 0.8, "harder": 1.25}
BRIGHTNESSES = {"darker": -0.1, "brighter": 0.1}
VIEWS = (PLAIN, FLIPPED, SHIFTED, *CONTRASTS, *BRIGHTNESSES)
SHIFT_SHARE = 1 / 16
"""Of the height and the width; where nothing was, the edge is repeated."""


@dataclass(frozen=True)
class Views:
    """A network that is shown its images in every way.

    Attributes:
        asked: The network with the images as they are, flipped and shifted.
        mean: Of the pixels, by channel, about which the contrast changes.
    """

    asked: dict[str, Asking]
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
        shown = {PLAIN: pixels, FLIPPED: pixels[..., ::-1], SHIFTED: _shifted(pixels)}
        asked = {name: Asking(network, np.ascontiguousarray(p)) for name, p in shown.items()}
        return cls(asked, asked[PLAIN].pixels.double().mean((0, 2, 3)).numpy())

    def log_probabilities(self, candidate: Candidate, view: str) -> np.ndarray:
        """Answers under one normalization, the images shown in one way, shape ``(N, K)``."""
        asking = self.asked.get(view, self.asked[PLAIN])
        return asking.log_probabilities(self._seen(candidate.normalization, view), candidate.order)

    def _seen(self, normalization: Normalization, view: str) -> Normalization:
        """What normalizes pixels as they are to what changed pixels would be normalized to."""
        factor = CONTRASTS.get(view, 1.0)
        offset = self.mean * (1 - factor) + BRIGHTNESSES.get(view, 0.0)
        mean, std = np.array(normalization.mean), np.array(normalization.std)
        return Normalization(((mean - offset) / factor).tolist(), (std / factor).tolist())


def _shifted(pixels: np.ndarray) -> np.ndarray:
    down, right = (max(1, round(SHIFT_SHARE * size)) for size in pixels.shape[2:])
    padded = np.pad(pixels, ((0, 0), (0, 0), (down, 0), (right, 0)), mode="edge")
    return padded[:, :, : pixels.shape[2], : pixels.shape[3]]
