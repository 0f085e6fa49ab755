"""What detection found, as numbers and as a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.notebook_html import HtmlTable, notebook_html
from normscope.wording import channels_text, counted, listed

if TYPE_CHECKING:
    from normscope.detection.ranking import Ranked
    from normscope.normalization import Normalization

CLAIMED = 0.5
"""Above this confidence a candidate is said to be the one."""

WIDEST_KNOWN = (0.2, 2.0)
"""Width of a mean's interval and ratio of a std's ends up to which the constants are known. Of dark
images the first is less in proportion."""

WIDEST_ROUGHLY = (1.0, 5.0)
"""Likewise up to which they are known roughly; beyond, they may be anything."""

NEAR = 0.1
"""Constants that differ by less, in stds, are as good as the same."""

CANNOT_TELL, NONE_OF_THEM = "cannot tell", "none of the known"
LEVEL = 0.9
MOST_SHOWN = 8
"""Candidates in a table."""


@dataclass(frozen=True)
class Fitted:
    """The constants that fit best, whether known or not, one for each channel of the images.

    Attributes:
        normalization: Mean and std.
        mean_interval: For each channel where the mean lies with a probability of 90 %.
        std_interval: Likewise the std.
        unit: How large differences of brightness are beside those of photographs, at most 1.
    """

    normalization: Normalization
    mean_interval: tuple[tuple[float, float], ...]
    std_interval: tuple[tuple[float, float], ...]
    unit: float = 1.0

    @property
    def rounded(self) -> Normalization:
        """The constants with the digits that they deserve, and that sentences have."""
        return type(self.normalization).parse(f"{self.normalization:.3g}")

    def allows(self, normalization: Normalization) -> bool:
        """Whether constants may well be these.

        Args:
            normalization: One value per channel.

        Returns:
            Whether each lies within twice its interval, or within ``NEAR`` of a std.
        """
        ends = np.array([*self.mean_interval, *np.log(self.std_interval)])
        at = np.array([*normalization.mean, *np.log(normalization.std)])
        near = NEAR * np.array([*self.normalization.std, *np.ones(self.normalization.channels)])
        middle, width = ends.mean(axis=1), np.ptp(ends, axis=1)
        return bool((np.abs(at - middle) <= np.maximum(width, near)).all())

    def within(self, widest: tuple[float, float]) -> bool:
        """Whether the intervals are no wider: of means, and as ratios of their ends of stds."""
        of_mean, of_std = widest
        return all(high - low <= of_mean * self.unit for low, high in self.mean_interval) and all(
            high / low <= of_std for low, high in self.std_interval
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "mean": list(self.normalization.mean),
            "std": list(self.normalization.std),
            "mean_interval": [list(interval) for interval in self.mean_interval],
            "std_interval": [list(interval) for interval in self.std_interval],
            "level": LEVEL,
        }


@dataclass(frozen=True)
class Detection:
    """Which normalization a network was trained with.

    Attributes:
        model: Its name.
        images: How many images were used.
        batchnorm: The BatchNorm whose statistics were matched.
        layer: The convolution that it reads, or None where its input was measured.
        candidates: Known normalizations, the most likely first.
        none_of_them: Probability that it is none of these.
        fitted: The constants that fit best.
        order: ``rgb``, ``bgr`` or ``cannot tell``; None for images without colour.
        order_confidence: Probability of the likelier order.
        pixels: ``0..255``, ``[0, 1]`` or ``cannot tell``: what the constants fit as they are
            usually written.
        augmentation: What was given, or what fits best.
        augmentation_given: Whether it was given.
        misfit: How far BatchNorm's log stds typically are off at the best fit.
        notes: What to bear in mind, in sentences.
    """

    model: str
    images: int
    batchnorm: str
    layer: str | None
    candidates: tuple[Ranked, ...]
    none_of_them: float
    fitted: Fitted
    order: str | None
    order_confidence: float | None
    pixels: str
    augmentation: str
    augmentation_given: bool
    misfit: float
    notes: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """A candidate's name, ``none of the known``, or ``cannot tell``."""
        if self.candidates and self.candidates[0].confidence > CLAIMED:
            return self.candidates[0].candidate.name
        if self.none_of_them > CLAIMED and self.fitted.within(WIDEST_ROUGHLY):
            return NONE_OF_THEM
        return CANNOT_TELL

    @property
    def sentence(self) -> str:
        """The answer in a sentence."""
        fitted = f"about {self.fitted.rounded}"
        first = self.candidates[0] if self.candidates else None
        if first is not None and self.verdict == first.candidate.name:
            return (
                f"{self.model} was trained with {first.candidate.in_words}, with confidence "
                f"{confidence_text(first.confidence)}; the constants that fit best are {fitted}."
            )
        if self.verdict == CANNOT_TELL:
            likeliest = "of those tried" if first and first.candidate.given else "known one"
            return (
                f"{self.model}: cannot tell which normalization it was trained with; the likeliest "
                f"{likeliest}, {first.candidate.name if first else 'none'}, has confidence "
                f"{confidence_text(first.confidence if first else 0.0)}, and what fits best is "
                f"{fitted}."
            )
        roughly = "" if self.fitted.within(WIDEST_KNOWN) else ", known only roughly"
        given = [each.candidate.name for each in self.candidates if each.candidate.given]
        nor = f", nor with {listed(given, 'or')}" if given else ""
        return (
            f"{self.model} was trained with none of the known normalizations{nor} (confidence "
            f"{confidence_text(self.none_of_them)}); the constants that fit best are {fitted}"
            f"{roughly}."
        )

    @property
    def reasons(self) -> list[str]:
        """What it rests on, and what to bear in mind."""
        read = f"{self.batchnorm}, which reads {self.layer}," if self.layer else self.batchnorm
        order = ""
        if self.order is not None:
            sure = confidence_text(self.order_confidence or 0.0)
            order = f" Order of channels: {self.order} (confidence {sure})."
        known = "given" if self.augmentation_given else "which fits best of those tried"
        return [
            (
                f"From what {read} kept of its training, compared on "
                f"{counted(self.images, 'image')}. Pixels: {self.pixels}.{order} "
                f"Augmentation: {self.augmentation} ({known})."
            ),
            *self.notes,
        ]

    def candidate_table(self) -> tuple[list[str], list[list[str]]]:
        """Headings and rows of the likeliest candidates."""
        ordered = sorted(self.candidates, key=lambda c: (-round(c.confidence, 3), c.misfit))
        rows = [
            [
                ranked.candidate.name,
                channels_text(ranked.candidate.normalization.mean),
                channels_text(ranked.candidate.normalization.std),
                f"{float(f'{ranked.misfit:.2g}'):g}",
                confidence_text(ranked.confidence),
            ]
            for ranked in ordered[:MOST_SHOWN]
        ]
        rows.append([NONE_OF_THEM, "", "", "", confidence_text(self.none_of_them)])
        return ["candidate", "mean", "std", "misfit", "confidence"], rows

    def constants_table(self) -> tuple[list[str], list[list[str]]]:
        """Headings and rows of the constants that fit best, channel by channel."""
        fitted = self.fitted
        rows = [
            [
                self.order[channel].upper() if self.order else str(channel),
                f"{mean:.4f}",
                "{:.4f} to {:.4f}".format(*fitted.mean_interval[channel]),
                four_digits(std),
                " to ".join(map(four_digits, fitted.std_interval[channel])),
            ]
            for channel, (mean, std) in enumerate(
                zip(fitted.normalization.mean, fitted.normalization.std, strict=True)
            )
        ]
        return ["channel", "mean", "90 % interval", "std", "90 % interval"], rows

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.sentence}>"

    def _repr_html_(self) -> str:
        tables = HtmlTable(*self.candidate_table()), HtmlTable(*self.constants_table())
        return notebook_html(self.sentence, self.reasons, *tables)

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` holds."""
        return {
            "model": self.model,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "candidates": [
                {
                    **ranked.candidate.to_json(),
                    "misfit": ranked.misfit,
                    "confidence": ranked.confidence,
                }
                for ranked in self.candidates
            ],
            "none_of_them": self.none_of_them,
            "fitted": self.fitted.to_json(),
            "order": self.order,
            "order_confidence": self.order_confidence,
            "pixels": self.pixels,
            "augmentation": self.augmentation,
            "augmentation_given": self.augmentation_given,
            "misfit": self.misfit,
            "images": self.images,
            "batchnorm": self.batchnorm,
            "layer": self.layer,
            "notes": list(self.notes),
        }


def four_digits(value: float) -> str:
    """A number with four significant digits, zeros at its end among them.

    Returns:
        The number.

    Example:
        >>> four_digits(0.236), four_digits(0.00392157), four_digits(1024.3)
        ('0.2360', '0.003922', '1024')
    """
    return f"{value:#.4g}".removesuffix(".")


def confidence_text(probability: float) -> str:
    """A confidence that is never rounded to certainty."""
    return "> 0.999" if probability > 0.999 else "< 0.001" if probability < 0.001 else (
        f"{probability:.3f}"
    )  # fmt: skip
