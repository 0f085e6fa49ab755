"""What lines to paste are made of: a normalization's numbers, rounded, in both units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from normscope.normalization import Normalization
    from normscope.statistics.collection_statistics import CollectionStatistics

SIGNIFICANT = 6
BYTE = 255


@dataclass(frozen=True)
class Pasted:
    """A normalization as one library takes it.

    Attributes:
        line: Python, JSON, C++ or options; None where the library cannot express it.
        limit: What it cannot express or leaves to do, in a sentence; None where it does all.
    """

    line: str | None
    limit: str | None = None


@dataclass(frozen=True)
class Numbers:
    """A normalization in units of [0, 1] and, as stored, in the pixels' own.

    Attributes:
        mean: One number for each channel.
        std: Likewise.
        stored_mean: The mean times the scale.
        stored_std: The std times the scale.
        scale_value: What pixels are divided by for [0, 1].
        exact_std: The std before it was rounded.
        found: The statistics that they come from.
    """

    mean: list[float]
    std: list[float]
    stored_mean: list[float]
    stored_std: list[float]
    scale_value: float
    exact_std: tuple[float, ...]
    found: CollectionStatistics

    @classmethod
    def of(cls, normalization: Normalization, scale: float, found: CollectionStatistics) -> Numbers:
        """Round a normalization's numbers.

        Args:
            normalization: In units of [0, 1].
            scale: What pixels are divided by for [0, 1].
            found: The statistics that it comes from.

        Returns:
            Its numbers.
        """
        mean, std = normalization.mean, normalization.std
        return cls(
            rounded(mean),
            rounded(std),
            rounded(value * scale for value in mean),
            rounded(value * scale for value in std),
            scale,
            std,
            found,
        )

    @property
    def scale(self) -> str:
        """The scale as text."""
        return f"{self.scale_value:.10g}"

    @property
    def of_pixels(self) -> str:
        """What a line's comment says where libraries would divide by the type's maximum instead.

        Conversions to floats, such as torchvision's, know the type alone: 65,535 for 12 bits too.
        """
        dtype = np.dtype(self.found.dtype)
        if self.scale_value == (1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)):
            return ""
        return "  # of pixels " + (f"/ {self.scale}" if self.scale_value != 1 else "as they are")

    @property
    def one_std(self) -> bool:
        """Whether all channels have the same std."""
        return len(set(self.std)) == 1


def rounded(values: Iterable[float]) -> list[float]:
    """Numbers with as many digits as lines to paste have."""
    return [float(f"{value:.{SIGNIFICANT}g}") for value in values]
