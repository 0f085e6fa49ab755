"""Which normalization a pipeline really applies, read off the tensors that it hands over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from normscope.wording import channels_text

if TYPE_CHECKING:
    from torch import Tensor

    from normscope.normalization import Normalization

GRID = 8
"""Images are averaged to so many fields a side, which any way of resizing leaves nearly alone."""

ALIKE = 0.9
"""Below this squared correlation the two show other parts of the image, and nothing is claimed."""

SAME_FIELD = 0.999
"""From here on they show the same."""

TOLERANCES = ((0.01, 0.02), (0.03, 0.1))
"""How far a mean, and a std in its own units, may lie from the reference's: where both show the
same part of the image, and where they show about the same."""

UNDECIDED = 1e-6
"""So small a difference of squared correlations says nothing of the order."""

LETTERS = "RGB"


@dataclass(frozen=True)
class AppliedNormalization:
    """What a pipeline does to values, as ``(pixel - mean) / std`` of pixels in [0, 1].

    Attributes:
        mean: One per channel that the network takes.
        std: Likewise; below 0 where bright becomes dark.
        order: Which of the image's channels each of them is.
        alike: The smallest squared correlation between these.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: tuple[int, ...]
    alike: float

    @classmethod
    def of(cls, normalization: Normalization) -> AppliedNormalization:
        """A normalization as if a pipeline applied just that."""
        mean, std = normalization.mean, normalization.std
        return cls(mean, std, tuple(range(len(mean))), 1.0)

    def differs(self, reference: Normalization) -> bool:
        """Whether it is surely another normalization than the reference's.

        Args:
            reference: With as many channels.

        Returns:
            Whether the order is another, or a mean or std is farther off than a resize explains.
        """
        of_mean, of_std = TOLERANCES[0 if self.alike >= SAME_FIELD else 1]
        mean, std = np.asarray(reference.mean), np.asarray(reference.std)
        return bool(
            self.order != tuple(range(len(self.order)))
            or (np.abs(np.asarray(self.mean) - mean) > of_mean).any()
            or (np.abs(np.asarray(self.std) / std - 1) > of_std).any()
        )

    def __str__(self) -> str:
        numbers = "/".join(
            channels_text([float(f"{round(v, 5):.3g}") + 0.0 for v in values]).replace(" ", "")
            for values in (self.mean, self.std)
        )
        if self.order == tuple(range(len(self.order))):
            return numbers
        return f"{numbers} and channels {''.join(LETTERS[k] for k in self.order)}"

    def to_json(self) -> dict[str, Any]:
        """Every field by name."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in vars(self).items()}


class HandedOver:
    """Compares what a pipeline hands over with the images, batch by batch."""

    def __init__(self) -> None:
        self._pixels: list[np.ndarray] = []
        self._tensors: list[np.ndarray] = []

    def add(self, pixels: np.ndarray, tensors: list[Tensor]) -> None:
        """Take in some images.

        Args:
            pixels: As the reference sees them, uint8, shape ``(N, C, H, W)``.
            tensors: What the pipeline makes of the same, each of shape ``(C, H, W)``.
        """
        import torch

        shrink = torch.nn.functional.adaptive_avg_pool2d
        fields = shrink(torch.from_numpy(pixels).float() / 255, GRID)
        self._pixels.append(fields.double().numpy())
        self._tensors += [shrink(t.float()[None], GRID).double().cpu().numpy() for t in tensors]

    def applied(self) -> AppliedNormalization | None:
        """What the pipeline does to values, or None where that cannot be told."""
        before, after = (_by_channel(np.concatenate(p)) for p in (self._pixels, self._tensors))
        spread = before.std(axis=1), after.std(axis=1)
        if min(spread[0].min(), spread[1].min()) == 0:
            return None
        channels = len(before)
        correlations = np.corrcoef(before, after)[channels:, :channels]
        squared = correlations**2
        order = linear_sum_assignment(squared, maximize=True)[1]
        alike = float(squared[range(channels), order].min())
        if alike < ALIKE:
            return None
        # Of nearly grey images the best order is chance: as far as a resize moves correlations,
        # the usual one is as good.
        gained = squared[range(channels), order].sum() - np.trace(squared)
        if gained <= channels * (1 - alike) + UNDECIDED:
            order = np.arange(channels)
            alike = float(np.diag(squared).min())
        order = tuple(order.tolist())
        at = list(order)
        # A ratio of stds, since a slope would shrink with the correlation.
        signs = np.sign([correlations[k, c] for k, c in enumerate(order)])
        std = signs * spread[0][at] / spread[1]
        mean = before.mean(axis=1)[at] - after.mean(axis=1) * std
        return AppliedNormalization(tuple(mean.tolist()), tuple(std.tolist()), order, alike)


def _by_channel(fields: np.ndarray) -> np.ndarray:
    return fields.swapaxes(0, 1).reshape(fields.shape[1], -1)
