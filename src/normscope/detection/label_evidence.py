"""What labelled images say of a network's normalization, as numbers and as a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from normscope.detection.detection_result import CANNOT_TELL, CLAIMED, confidence_text
from normscope.wording import level, span

if TYPE_CHECKING:
    from normscope.detection.all_pairs import Interval
    from normscope.detection.candidates import Candidate
    from normscope.detection.detection_result import Fitted

NONE_OF_THEM = "none of the known"


@dataclass(frozen=True)
class Labelled:
    """How one candidate does on labelled images, against the best.

    Attributes:
        candidate: A known normalization in one order of channels.
        confidence: Probability that the network was trained with it.
        accuracy: Share of its images that the network gets right under it.
        accuracy_lost: What it loses against the best, over the same images.
        accuracy_interval: Of that loss; all pairs of candidates together are held with 95 %, so
            that it holds although the best was chosen.
        nats_lost: How much smaller the log likelihood of the labels is than under the best, in
            nats an image, each at the temperature that fits best.
        nats_interval: As for the accuracy.
        images: How many images it was tried on; those that are clearly worse see only some.
    """

    candidate: Candidate
    confidence: float
    accuracy: float
    accuracy_lost: float
    accuracy_interval: Interval
    nats_lost: float
    nats_interval: Interval
    images: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.candidate.name,
            "normalization": self.candidate.normalization.to_json(),
            "order": self.candidate.order,
            "confidence": self.confidence,
            "accuracy": self.accuracy,
            "accuracy_lost": self.accuracy_lost,
            "accuracy_interval": list(self.accuracy_interval),
            "nats_lost": self.nats_lost,
            "nats_interval": list(self.nats_interval),
            "images": self.images,
        }


@dataclass(frozen=True)
class LabelEvidence:
    """Which normalization suits a network, by labelled images.

    Attributes:
        candidates: Known normalizations in both orders of channels, the most likely first.
        none_of_them: Probability that it is none of these; None where nothing was refined.
        refined: The likeliest constants near the first, with 90 % intervals, in its order of
            channels; None where they were not asked for.
        images: How many images were used.
    """

    candidates: tuple[Labelled, ...]
    none_of_them: float | None
    refined: Fitted | None
    images: int

    @property
    def accuracy(self) -> dict[str, float]:
        """The accuracy under each candidate, by name."""
        return {c.candidate.name: c.accuracy for c in self.candidates}

    @property
    def verdict(self) -> str:
        """A candidate's name, ``none of the known``, or ``cannot tell``."""
        if self.candidates[0].confidence > CLAIMED:
            return self.candidates[0].candidate.name
        return NONE_OF_THEM if (self.none_of_them or 0) > CLAIMED else CANNOT_TELL

    @property
    def sentence(self) -> str:
        """The answer in a sentence."""
        first, second = self.candidates[:2]
        name, other = first.candidate.name, second.candidate.name
        on = f"on {self.images} labelled images"
        if self.verdict == CANNOT_TELL:
            return (
                f"Cannot tell {name} from {other} {on}: accuracies "
                f"{level(first.accuracy, second.accuracy)} and "
                f"{level(second.accuracy, first.accuracy)}, confidence "
                f"{confidence_text(first.confidence)} and {confidence_text(second.confidence)}."
            )
        if self.verdict == NONE_OF_THEM and self.refined:
            return (
                f"None of the known normalizations (confidence "
                f"{confidence_text(self.none_of_them or 0)}): {on} the labels are likeliest with "
                f"{self.refined.normalization:.3g}; of the known, {name} fits best."
            )
        return (
            f"{name} ({first.candidate.normalization:.4g}), with confidence "
            f"{confidence_text(first.confidence)}: {on} its accuracy is "
            f"{level(first.accuracy, second.accuracy)}; next is {other} with "
            f"{level(second.accuracy, first.accuracy)}, whose labels are "
            f"{second.nats_lost:.3f} nats an image less likely "
            f"(95 % interval {span(second.nats_interval)})."
        )

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` holds."""
        return {
            "verdict": self.verdict,
            "sentence": self.sentence,
            "candidates": [candidate.to_json() for candidate in self.candidates],
            "none_of_them": self.none_of_them,
            "refined": self.refined and self.refined.to_json(),
            "images": self.images,
        }
