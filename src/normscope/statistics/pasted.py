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
        mean: One number for each channel, in the order in which the network takes them.
        std: Likewise.
        stored_mean: The mean times the scale.
        stored_std: The std times the scale.
        scale_value: What pixels are divided by for [0, 1].
        blue_first: Whether the network takes blue, green, red.
        exact_std: The std before it was rounded.
        found: The statistics that they come from, if any.
    """

    mean: list[float]
    std: list[float]
    stored_mean: list[float]
    stored_std: list[float]
    scale_value: float
    blue_first: bool
    exact_std: tuple[float, ...]
    found: CollectionStatistics | None = None

    @classmethod
    def of(
        cls,
        normalization: Normalization,
        scale: float = BYTE,
        *,
        blue_first: bool = False,
        found: CollectionStatistics | None = None,
    ) -> Numbers:
        """Round a normalization's numbers.

        Args:
            normalization: In units of [0, 1]; red, green, blue.
            scale: What pixels are divided by for [0, 1].
            blue_first: Whether the network takes blue, green, red.
            found: The statistics that it comes from, if any.

        Returns:
            Its numbers.
        """
        step = -1 if blue_first else 1
        mean, std = normalization.mean[::step], normalization.std[::step]
        return cls(
            rounded(mean),
            rounded(std),
            rounded(value * scale for value in mean),
            rounded(value * scale for value in std),
            scale,
            blue_first,
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
        usual = {1.0, BYTE, BYTE * 257}
        if self.found is not None:
            dtype = np.dtype(self.found.dtype)
            usual = {1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)}
        if self.scale_value in usual:
            return ""
        return "  # of pixels " + (f"/ {self.scale}" if self.scale_value != 1 else "as they are")

    @property
    def one_std(self) -> bool:
        """Whether all channels have the same std."""
        return len(set(self.std)) == 1


def rounded(values: Iterable[float]) -> list[float]:
    """Numbers with as many digits as lines to paste have."""
    return [float(f"{value:.{SIGNIFICANT}g}") for value in values]
