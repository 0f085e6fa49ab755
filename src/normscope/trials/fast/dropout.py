"""Dropout masks from random bytes: the law of bernoulli's at a tenth of its price."""

from __future__ import annotations

import torch

from normscope.models.stacked.lenet import KEPT1, KEPT2, Masks

HIDDEN = 128
"""Units behind LeNet's first linear layer."""

WORD = 8
LOWEST = -(2**63)


class DropoutMasks:
    """Draws what LeNet's dropouts keep of each batch.

    The shares kept are multiples of 1/256, so comparing uniform bytes gives exactly their law, and
    one 64-bit draw serves eight masks. All trials of one seed see the same masks, as they do in
    the plain trainer, where each draws them from the same stream.

    Args:
        features: Numbers in the first mask of an image.
        seed: Seeds the draws.
        device: Where they are drawn.

    Attributes:
        generator: What they are drawn from.
    """

    def __init__(self, features: int, seed: int, device: torch.device) -> None:
        self.generator = torch.Generator(device).manual_seed(seed)
        self._features = features

    def draw(self, images: int) -> Masks:
        """Masks for one batch."""
        bytes_ = images * (self._features + HIDDEN)
        words = torch.empty(-(-bytes_ // WORD), dtype=torch.int64, device=self.generator.device)
        words.random_(LOWEST, None, generator=self.generator)
        drawn = words.view(torch.uint8)[:bytes_]
        features, hidden = drawn.split([images * self._features, images * HIDDEN])
        return Masks(
            (features < 256 * KEPT1).view(images, -1), (hidden < 256 * KEPT2).view(images, -1)
        )
