"""Prices from a network's answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from normscope.auditing.asking import TESTED
from normscope.auditing.audit_numbers import Cost, PipelineUnderTest, Priced, Reference
from normscope.auditing.explaining import explain
from normscope.auditing.mistakes import COLOUR_MISTAKES, Mistake, named_order
from normscope.auditing.pairing import accuracy_lost, share
from normscope.auditing.variants import REFERENCE

if TYPE_CHECKING:
    from normscope.auditing.answering import Answers
    from normscope.auditing.variants import Preparation
    from normscope.normalization import Normalization


class Judge:
    """Turns answers into prices.

    Args:
        answers: Of the network, in every way.
        labelled: Whether the images have labels.
        blue_first: Whether the network takes blue, green, red.
        takes_bytes: Whether it takes uint8 as it is.
    """

    def __init__(
        self, answers: Answers, *, labelled: bool, blue_first: bool, takes_bytes: bool
    ) -> None:
        self._answers = answers
        self._takes_bytes = takes_bytes
        self._blue_first = blue_first
        self._labels = answers.labels if labelled else None
        self._right = answers.of(REFERENCE)

    def most_frequent(self) -> float | None:
        """The share of the most frequent label, where there are labels."""
        if self._labels is None:
            return None
        return float(np.unique(self._labels, return_counts=True)[1].max() / len(self._labels))

    def reference(self, normalization: Normalization) -> Reference:
        """What the correct pipeline gives."""
        drift = self._answers.drift(REFERENCE)
        if self._labels is None:
            return Reference(normalization, None, None, drift, self._blue_first)
        right = share(self._right == self._labels)
        return Reference(normalization, *right, drift, self._blue_first)

    def cost(self, name: str) -> Cost:
        """What one way costs."""
        given = self._answers.of(name)
        accuracy = lost = interval = None
        if self._labels is not None:
            correct = given == self._labels
            accuracy = float(correct.mean())
            lost, interval = accuracy_lost(self._right == self._labels, correct)
        disagreement, around = share(given != self._right)
        drift = self._answers.drift(name)
        changed = self._answers.changed[name]
        return Cost(accuracy, lost, interval, disagreement, around, drift, changed)

    def ranked(self, mistakes: list[Mistake], preparation: Preparation) -> list[Priced]:
        """The mistakes, the worst first, and those that cannot be made behind them."""
        priced, left_out = [], []
        for mistake in mistakes:
            reason = mistake.reason
            if reason is None and self._answers.changed[mistake.name] == 0:
                reason = preparation.why_unchanged(mistake.name)
            if reason is None and mistake.name in COLOUR_MISTAKES and not self._answers.coloured:
                reason = "all images are grey"
            cost = self.cost(mistake.name) if reason is None else None
            row = Priced(mistake.name, mistake.description, cost, reason)
            (left_out if cost is None else priced).append((row, cost))
        priced.sort(key=lambda pair: pair[1].ranked_by, reverse=True)
        return [row for row, _ in [*priced, *left_out]]

    def tested(
        self, name: str, made: list[Mistake], fail_over: float | None, correct: Normalization
    ) -> PipelineUnderTest:
        """What the pipeline under test gives, and what it does."""
        applied = self._answers.handed_over.applied()
        seen = None if applied is None else applied.counted(blue_first=self._blue_first)
        correct = correct.reversed() if self._blue_first else correct
        of_bytes = self._answers.handed_over.of_bytes
        differs = of_bytes if seen is None else seen.differs(correct)
        cost = self.cost(TESTED)
        given = self._answers.of(TESTED)
        agreement = {
            m.name: float((given == self._answers.of(m.name)).mean())
            for m in made
            if self._answers.changed[m.name]
        }
        nearest = max(agreement, key=agreement.__getitem__, default=None)
        alike = None if nearest is None else agreement[nearest]
        if alike is None or alike <= 1 - cost.disagreement:
            nearest = alike = None
        mistake = None if seen is None else explain(seen, correct)
        if mistake is not None:
            said = named_order(mistake.description, blue_first=self._blue_first)
            mistake = replace(mistake, description=said)
        taken = self._takes_bytes if of_bytes and differs else None
        return PipelineUnderTest(
            name, cost, nearest, alike, fail_over, applied, differs, mistake, taken
        )
