"""What each source says a network expects, and what they say together."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from normscope.auditing.applied import AppliedNormalization
from normscope.models.preprocessing.claim import BGR, RGB

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from normscope.detection.candidates import Candidate
    from normscope.normalization import Normalization

LABELS, BATCHNORM, FILES, ANSWERS = "labels", "BatchNorm", "files", "answers"
LIBRARY = "library"
"""What it says of weights that it publishes, where others are used."""

STATED = 0.9
"""How much a statement of a model's own files or library is believed: it is enough as an only
witness, and not against strong measurements."""

OF_OTHERS = 0.75
"""How much a library's statement is believed of weights that are not its own. No census: networks
are mostly trained further under what they came with, and those trained anew often are not."""

REFUTED = 0.98
"""From this confidence on a source speaks against what is used."""

LIKELY = 0.5
SURE = 0.8
"""From this confidence on what is expected is held against what is used."""

MOST = 1e6
"""Odds beyond which a source's certainty is no longer believed."""

FITTED = 0.99
"""As if constants had been read off images as alike as this: fitted ones are not exact."""


@dataclass(frozen=True)
class LeftOpen:
    """What a source leaves open.

    Attributes:
        alike: Known normalizations that it cannot tell from the one that it names.
        worse: Those that it can.
        alone: How sure it is of the one that it names, and not of one of those alike.
    """

    alike: tuple[Candidate, ...]
    worse: tuple[Candidate, ...]
    alone: float


@dataclass(frozen=True)
class Opinion:
    """What one source says.

    Attributes:
        source: ``"labels"``, ``"BatchNorm"``, ``"files"``, ``"library"`` or ``"answers"``.
        says: Its sentence.
        normalization: What the network expects, one value per channel, red first; None where the
            source says nothing of it.
        order: In which the network takes channels.
        confidence: From 0 to 1; with ``left_open`` that it is this one or one of those alike.
        name: What the normalization is called, where it has a name.
        inside: What the model does itself, before which this is left to do.
        left_open: What else it may be; None where it is this one alone.
        refutes: How surely the network was not trained with what is used.
        fitted: Whether the constants are those that fit best, and none that anybody knows or uses.
    """

    source: str
    says: str
    normalization: Normalization | None = None
    order: str = RGB
    confidence: float = 0.0
    name: str | None = None
    inside: Normalization | None = None
    left_open: LeftOpen | None = None
    refutes: float = 0.0
    fitted: bool = False

    @property
    def applied(self) -> AppliedNormalization | None:
        """What is done to pixels where this is done."""
        if self.normalization is None:
            return None
        return AppliedNormalization.of(self.normalization, blue_first=self.order == BGR)

    def allows(self, other: Opinion) -> bool:
        """Whether what the other says is this, or cannot be told from it."""
        alike = self.left_open.alike if self.left_open else ()
        others = (Opinion(self.source, "", c.normalization, c.order) for c in alike)
        return self.agrees(other) or any(each.agrees(other) for each in others)

    def agrees(self, other: Opinion) -> bool:
        """Whether both say about the same."""
        if self.normalization is None or other.normalization is None:
            return False
        if self.order != other.order:
            return False
        loose = replace(AppliedNormalization.of(self.normalization), alike=FITTED)
        return not loose.differs(other.normalization)


@dataclass(frozen=True)
class Expected:
    """What a network expects, by all that is known.

    Attributes:
        opinion: The best opinion, whose constants are taken.
        confidence: That of all that agree with it, against the others.
        sources: Those that agree with it.
        against: Opinions that contradict it.
        left_open: What else it may be; the confidence is that of all these together.
        named_by: Those of the sources that name it themselves, not only leave it open.
    """

    opinion: Opinion
    confidence: float
    sources: tuple[str, ...]
    against: tuple[Opinion, ...] = ()
    left_open: LeftOpen | None = None
    named_by: tuple[str, ...] = ()

    @property
    def normalization(self) -> Normalization:
        """One value per channel, red first."""
        assert self.opinion.normalization is not None
        return self.opinion.normalization

    @property
    def in_network_order(self) -> Normalization:
        """One value per channel, in the order in which the network takes them."""
        normalization = self.normalization
        return normalization if self.opinion.order == RGB else normalization.reversed()

    def seen_by(self, applied: AppliedNormalization) -> AppliedNormalization:
        """The same with channels counted in the network's order, so that the identity is right."""
        return applied.counted(blue_first=self.opinion.order == BGR)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **self.normalization.to_json(),
            "order": self.opinion.order,
            "name": self.opinion.name,
            "fitted": self.opinion.fitted,
            "confidence": self.confidence,
            "alike": [c.name for c in self.left_open.alike] if self.left_open else [],
        }


def weighed(opinions: Sequence[Opinion]) -> Expected | None:
    """What all sources together say.

    Each is taken for an independent witness: for each thing that is said, the odds of all who allow
    it are multiplied, and what is left is shared out over these and ``none of it``.

    Args:
        opinions: Strongest first; of those that agree, the files' constants or the library's are
            taken, which are exact, else the first one's.

    Returns:
        What most probably is expected; None where no opinion is likelier than not.
    """
    believed = [o for o in opinions if o.normalization is not None and o.confidence > LIKELY]
    said: list[Opinion] = []
    for opinion in believed:
        if not any(other.agrees(opinion) for other in said):
            said.append(opinion)
    if not said:
        return None
    allowing = [[o for o in believed if o.allows(one)] for one in said]
    odds = [math.prod(_odds(opinion) for opinion in group) for group in allowing]
    best = max(range(len(said)), key=odds.__getitem__)
    chosen = allowing[best]
    exact = next((o for o in chosen if o.source in {FILES, LIBRARY}), said[best])
    left_open = exact.left_open if all(opinion.left_open for opinion in chosen) else None
    # Who leaves several open is no witness against the others, which count as one thing more.
    alike = [c for o in chosen if o.left_open for c in o.left_open.alike] * (left_open is None)
    others = [
        math.prod(_odds(o) for o in believed if o.allows(other))
        for other in (Opinion("", "", c.normalization, c.order) for c in alike)
        if not any(one.agrees(other) for one in said)
    ]
    likeliest = max((odds[k] for k in range(len(said)) if k != best), default=0.0)
    unsaid = max(0.0, max(others, default=0.0) - likeliest)
    named = exact.name or next((o.name for o in chosen if o.name and o.agrees(exact)), None)
    return Expected(
        replace(exact, name=named),
        odds[best] / (1 + sum(odds) + unsaid),
        tuple(opinion.source for opinion in chosen),
        tuple(opinion for opinion in said if opinion not in chosen),
        left_open,
        tuple(opinion.source for opinion in chosen if opinion.agrees(exact)),
    )


def known_roughly(opinions: Iterable[Opinion]) -> Opinion | None:
    """What BatchNorms have found, however roughly."""
    return next((o for o in opinions if o.source == BATCHNORM and o.normalization), None)


def done_by(applied: AppliedNormalization, candidate: Candidate) -> bool:
    """Whether a pipeline does what a candidate says.

    Args:
        applied: What it does, channels in the image's order.
        candidate: With as many channels.

    Returns:
        Whether it surely does nothing else.
    """
    asked = Expected(Opinion("", "", candidate.normalization, candidate.order), 1.0, ())
    return not asked.seen_by(applied).differs(asked.in_network_order)


def _odds(opinion: Opinion) -> float:
    return min(MOST, opinion.confidence / max(1 - opinion.confidence, 1 / MOST))
