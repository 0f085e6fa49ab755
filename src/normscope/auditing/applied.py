"""A normalization as a pipeline really applies it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.models.preprocessing.dark import used_by_constants
from normscope.wording import channels_text

if TYPE_CHECKING:
    from normscope.normalization import Normalization

WHOLE, SQUARE = "whole", "largest square"
SQUASHED = f"{WHOLE}, squashed"
"""What of an image a pipeline may show in place of the reference's part."""

SAME_FIELD = 0.999
"""From this squared correlation on two show the same part of an image."""

TOLERANCES = ((0.01, 0.02), (0.03, 0.1))
"""How far a mean, and a std in its own units, may lie from the reference's: where both show the
same part of the image, and where they show about the same."""

LETTERS = "RGB"


@dataclass(frozen=True)
class AppliedNormalization:
    """What a pipeline does to values, as ``(pixel - mean) / std`` of pixels in [0, 1].

    Attributes:
        mean: One per channel that the network takes.
        std: Likewise; below 0 where bright becomes dark.
        order: Which of the image's channels each of them is.
        alike: The smallest squared correlation between these.
        shows: What of each image it shows, where that is surely something else than the reference
            does: one of ``SQUASHED``, ``WHOLE`` and ``SQUARE``; else None.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: tuple[int, ...]
    alike: float
    shows: str | None = None

    @classmethod
    def of(cls, normalization: Normalization, *, blue_first: bool = False) -> AppliedNormalization:
        """A normalization as if a pipeline applied just that.

        Args:
            normalization: One value per channel, red first.
            blue_first: Whether the pipeline then hands over blue, green, red.

        Returns:
            What is done.
        """
        step = -1 if blue_first else 1
        mean, std = normalization.mean[::step], normalization.std[::step]
        return cls(mean, std, tuple(range(len(mean)))[::step], 1.0)

    def counted(self, *, blue_first: bool) -> AppliedNormalization:
        """The same with an image's channels counted as a network takes them.

        Args:
            blue_first: Whether it takes blue, green, red.

        Returns:
            What is done; the right order is the identity.
        """
        if not blue_first:
            return self
        last = len(self.order) - 1
        return replace(self, order=tuple(last - channel for channel in self.order))

    def scaled(self, factor: float) -> AppliedNormalization:
        """The same of pixels that are multiplied by a factor."""
        mean, std = (tuple(value * factor for value in v) for v in (self.mean, self.std))
        return replace(self, mean=mean, std=std)

    @property
    def closeness(self) -> int:
        """Which of ``TOLERANCES`` holds."""
        return 0 if self.alike >= SAME_FIELD else 1

    def differs(self, reference: Normalization) -> bool:
        """Whether it is surely another normalization than the reference's.

        Args:
            reference: With as many channels.

        Returns:
            Whether the order is another, or a mean or std is farther off than a resize explains.
        """
        of_mean, of_std = TOLERANCES[self.closeness]
        mean, std = np.asarray(reference.mean), np.asarray(reference.std)
        room = of_mean * used_by_constants(reference)
        return bool(
            self.order != tuple(range(len(self.order)))
            or (np.abs(np.asarray(self.mean) - mean) > room).any()
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
