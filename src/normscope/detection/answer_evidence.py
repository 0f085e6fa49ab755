"""What a network's answers alone say of its normalization, as numbers and as a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from normscope.detection.answer_views import near
from normscope.detection.detection_result import (
    CANNOT_TELL,
    CLAIMED,
    MOST_SHOWN,
    NONE_OF_THEM,
    confidence_text,
)
from normscope.notebook_html import HtmlTable, notebook_html

if TYPE_CHECKING:
    from normscope.detection.candidates import Candidate

RULED_OUT = 0.01
"""A candidate that has no more is told from the first, however near its constants are."""


@dataclass(frozen=True)
class Answered:
    """One candidate by the answers that a network gives under it.

    Attributes:
        candidate: A known normalization in one order of channels.
        confidence: Probability that the network was trained with it, understated where the
            evidence is thin (``AnswerModel.confidences``).
        signs: What was measured, by name; empty for candidates whose answers were so unbalanced
            that they were not looked at further.
    """

    candidate: Candidate
    confidence: float
    signs: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **self.candidate.to_json(),
            "confidence": self.confidence,
            "signs": self.signs,
        }


@dataclass(frozen=True)
class AnswerEvidence:
    """Which normalization suits a network, by its answers to images without labels.

    Attributes:
        candidates: Known normalizations in both orders of channels, the most likely first.
        none_of_them: What is left: that it is none of these, or that the evidence is thin.
        images: How many images were used.
        layers: Whether the network's layers could be watched too.
    """

    candidates: tuple[Answered, ...]
    none_of_them: float
    images: int
    layers: bool

    @property
    def alike(self) -> tuple[Answered, ...]:
        """Those whose constants are so near the first's that answers hardly tell them apart."""
        first, *others = (answered.candidate for answered in self.candidates)
        return tuple(
            answered
            for answered, other in zip(self.candidates[1:], others, strict=True)
            if answered.confidence > RULED_OUT
            and other.order == first.order
            and near(other.normalization, first.normalization)
        )

    @property
    def confidence(self) -> float:
        """Probability that it is the first or one of those alike, which the sentence claims."""
        return self.candidates[0].confidence + sum(each.confidence for each in self.alike)

    @property
    def verdict(self) -> str:
        """A candidate's name, or ``cannot tell``: answers cannot show that none is right."""
        first = self.candidates[0]
        return first.candidate.name if first.confidence > CLAIMED else CANNOT_TELL

    @property
    def sentence(self) -> str:
        """The answer in a sentence."""
        first = self.candidates[0]
        name = first.candidate.name
        on = f"its answers to {self.images} images without labels"
        if self.verdict == CANNOT_TELL:
            return (
                f"Cannot tell from {on}: the likeliest known normalization, {name}, has confidence "
                f"{confidence_text(first.confidence)}, none of them "
                f"{confidence_text(self.none_of_them)}. Give labels."
            )
        return (
            f"{name} ({first.candidate.normalization:.4g}), or constants so near that answers do "
            f"not tell them apart, with confidence {confidence_text(self.confidence)}, by {on}."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.sentence}>"

    def _repr_html_(self) -> str:
        rows = [
            [c.candidate.name, f"{c.candidate.normalization:.4g}", confidence_text(c.confidence)]
            for c in self.candidates[:MOST_SHOWN]
        ]
        rows.append([NONE_OF_THEM, "", confidence_text(self.none_of_them)])
        table = HtmlTable(["candidate", "normalization", "confidence"], rows)
        return notebook_html(self.sentence, (), table)

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` holds."""
        return {
            "verdict": self.verdict,
            "sentence": self.sentence,
            "confidence": self.confidence,
            "candidates": [candidate.to_json() for candidate in self.candidates],
            "none_of_them": self.none_of_them,
            "images": self.images,
            "layers": self.layers,
        }
