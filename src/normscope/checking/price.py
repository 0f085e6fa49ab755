"""What is lost by what is used, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from normscope.wording import gap, percent, span

if TYPE_CHECKING:
    from normscope.auditing.pairing import Interval

SMALL = 0.0005
"""A smaller share is said as nothing."""


@dataclass(frozen=True)
class Price:
    """What the network loses by what is used, against what it expects, on the same images.

    Attributes:
        lost: Accuracy, or without labels the share of answers that change.
        interval: Its 95 % interval.
        labelled: Which of the two it is.
        images: How many images it is of.
    """

    lost: float
    interval: Interval
    labelled: bool
    images: int

    @property
    def in_words(self) -> str:
        """What is used does so, such as ``costs about 0.12 of accuracy``."""
        if not self.labelled:
            if self.lost < SMALL:
                return f"changes no answer on {self.images} images"
            return f"changes about {percent(self.lost)} of its answers"
        if self.interval[0] <= 0:
            most = gap(max(0.0, self.interval[1]))
            return f"costs at most {most} of accuracy ({self.images} images, 95 % confidence)"
        return f"costs about {gap(self.lost)} of accuracy"

    @property
    def none_seen(self) -> str | None:
        """That nothing surely is lost on these images, and what may be lost; None if it is."""
        most = max(0.0, self.interval[1])
        these = f"these {self.images} images"
        if self.labelled and self.interval[0] <= 0:
            return (
                f"{these.capitalize()} do not show whether that costs accuracy (at most "
                f"{gap(most)}, with 95 % confidence)"
            )
        if not self.labelled and self.lost < SMALL:
            return (
                f"That changes no answer on {these} (at most {percent(most)} of answers, with 95 % "
                "confidence)"
            )
        return None

    @property
    def measured(self) -> str:
        """The figure and its interval, in a sentence."""
        what = "Accuracy lost" if self.labelled else "Share of answers that change"
        return (
            f"{what} against what the network expects, on {self.images} images: {gap(self.lost)} "
            f"(95 % interval {span(self.interval)})."
        )

    @property
    def surely(self) -> bool:
        """Whether something is lost at all."""
        return self.interval[0] > SMALL
