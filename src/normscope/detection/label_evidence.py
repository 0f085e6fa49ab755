"""What labelled images say of a network's normalization, as numbers and as a sentence."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from normscope.detection.detection_result import (
    CANNOT_TELL,
    CLAIMED,
    NONE_OF_THEM,
    confidence_text,
)
from normscope.detection.label_rounds import Compared, Difference, last_with
from normscope.errors import NormscopeError
from normscope.wording import gap, level, listed, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.detection.candidates import Candidate
    from normscope.detection.detection_result import Fitted

MOST_NAMED = 4


@dataclass(frozen=True)
class Labelled(Difference):
    """How one candidate does on labelled images, against the first.

    Attributes:
        candidate: A known normalization in one order of channels.
        confidence: Probability that the network was trained with it.
        accuracy: Share of its images that the network gets right under it.
        images: How many images it was tried on; those that are clearly worse see only some.
    """

    candidate: Candidate
    confidence: float
    accuracy: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **self.candidate.to_json(),
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
        tables: All pairs of candidates, round by round.
    """

    candidates: tuple[Labelled, ...]
    none_of_them: float | None
    refined: Fitted | None
    tables: tuple[Compared, ...] = field(repr=False)

    @classmethod
    def of(
        cls,
        everyone: Sequence[Candidate],
        confidences: dict[Candidate, float],
        none_of_them: float | None,
        refined: Fitted | None,
        tables: tuple[Compared, ...],
    ) -> LabelEvidence:
        """From what was compared.

        Args:
            everyone: All candidates.
            confidences: Of those that saw all images.
            none_of_them: As above.
            refined: Likewise.
            tables: Likewise.

        Returns:
            The evidence.
        """
        first = max(confidences, key=lambda c: confidences[c]).name
        rows = []
        for candidate in everyone:
            lost = last_with(tables, candidate.name, first).against(candidate.name, first)
            own = last_with(tables, candidate.name, candidate.name)
            accuracy = float(own.accuracy.means[own.names.index(candidate.name)])
            confidence = confidences.get(candidate, 0.0)
            rows.append(
                Labelled(
                    **vars(lost), candidate=candidate, confidence=confidence, accuracy=accuracy
                )
            )
        rows.sort(key=lambda row: (-row.confidence, row.nats_lost))
        return cls(tuple(rows), none_of_them, refined, tables)

    @property
    def images(self) -> int:
        """How many images were used."""
        return self.tables[-1].images

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
    def alike(self) -> tuple[str, ...]:
        """Candidates that the images do not tell from the first: their interval reaches to 0."""
        return tuple(
            c.candidate.name
            for c in self.candidates[1:]
            if c.nats_interval[0] <= 0 and c.images == self.images
        )

    def against(self, name: str, other: str) -> Difference:
        """What one candidate loses against another, such as one's own against the first.

        Args:
            name: A candidate's name.
            other: Another's.

        Returns:
            The losses with intervals, on all images that both have seen.

        Raises:
            NormscopeError: If there is no such candidate.

        Example:
            ``evidence.against("half", "imagenet").nats_interval``
        """
        names = self.tables[0].names
        for asked in (name, other):
            if asked not in names:
                raise NormscopeError(
                    f"candidates are {listed(names)}, got {asked}. Give one of these."
                )
        return last_with(self.tables, name, other).against(name, other)

    @property
    def sentence(self) -> str:
        """The answer in a sentence."""
        first = self.candidates[0]
        on = f"on {self.images} labelled images"
        if self.verdict == NONE_OF_THEM and self.refined:
            return (
                f"None of the known normalizations (confidence "
                f"{confidence_text(self.none_of_them or 0)}): {on} the labels are likeliest with "
                f"about {self.refined.normalization:.3g}; of the known, {first.candidate.name} "
                "fits best."
            )
        alike = (first.candidate.name, *self.alike)
        others = [c for c in self.candidates if c.candidate.name not in alike]
        following = f"; {_loses(others[0])}" if others else ""
        if self.verdict == CANNOT_TELL:
            together = sum(c.confidence for c in self.candidates if c.candidate.name in alike)
            which = (
                f"Cannot tell which of {listed(alike, most=MOST_NAMED)}"
                if self.alike
                else f"Cannot tell whether it is {alike[0]}"
            )
            return (
                f"{which} (together with confidence {confidence_text(together)}) {on}"
                f"{self._at_most(alike)}{following}."
            )
        near = (
            f"; {listed(self.alike, most=MOST_NAMED)} cannot be told from it"
            f"{self._at_most(alike)}" if self.alike else ""
        )  # fmt: skip
        return (
            f"{first.candidate.in_words}, with confidence "
            f"{confidence_text(first.confidence)}: {on} its accuracy is "
            f"{level(first.accuracy)}{near}{following}."
        )

    def _at_most(self, names: Sequence[str]) -> str:
        """What choosing the wrong one of some can cost."""
        if len(names) == 1:
            return ""
        pairs = [self.against(*pair) for pair in combinations(names, 2)]
        nats = max(abs(end) for pair in pairs for end in pair.nats_interval)
        accuracy = max(abs(end) for pair in pairs for end in pair.accuracy_interval)
        return (
            f": they differ by at most {gap(nats)} nats an image and {gap(accuracy)} of accuracy "
            "(95 %)"
        )

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` holds."""
        return {
            "verdict": self.verdict,
            "sentence": self.sentence,
            "candidates": [candidate.to_json() for candidate in self.candidates],
            "none_of_them": self.none_of_them,
            "alike": list(self.alike),
            "refined": self.refined and self.refined.to_json(),
            "images": self.images,
        }


def _loses(row: Labelled) -> str:
    return (
        f"{row.candidate.name} loses {row.nats_lost:.3f} nats an image (95 % interval "
        f"{span(row.nats_interval)})"
    )
