"""What a network answers to the same images, prepared in every way."""

from __future__ import annotations

from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch

from normscope.auditing.asking import TESTED, Asking
from normscope.auditing.drift import InputMoments
from normscope.auditing.handed_over import HandedOver
from normscope.auditing.reading import one_ahead
from normscope.auditing.variants import REFERENCE, WHITE
from normscope.images.tensors import shared
from normscope.machine.cores import workers

if TYPE_CHECKING:
    from collections.abc import Generator

    from normscope.auditing.asking import Part
    from normscope.auditing.audited_network import AuditedNetwork
    from normscope.auditing.mistakes import Mistake
    from normscope.auditing.reading import Batch
    from normscope.auditing.value_map import ValueMap

SAME = 0.01
"""A pixel that differs by so much of 255 grey levels or less counts as prepared alike."""


class Answers:
    """Collects a network's answers batch by batch; images are not kept.

    Args:
        network: Gives them.
        correct: What becomes of the reference's pixels.
        mistakes: Those that can be made.
    """

    def __init__(self, network: AuditedNetwork, correct: ValueMap, mistakes: list[Mistake]) -> None:
        self._network = network
        self._ways = {REFERENCE: (REFERENCE, correct)} | {
            mistake.name: (mistake.pixels, mistake.values) for mistake in mistakes
        }
        self._labels: list[np.ndarray] = []
        self._given: dict[str, list[np.ndarray]] = {}
        self._moments: dict[str, InputMoments] = {}
        self.changed: dict[str, int] = {}
        self.coloured = 0
        self.brightest = 0.0
        self.handed_over = HandedOver()

    @property
    def labels(self) -> np.ndarray:
        """The labels of all images, shape ``(N,)``."""
        return np.concatenate(self._labels)

    def of(self, name: str) -> np.ndarray:
        """The answers under one way.

        Args:
            name: ``"reference"``, a mistake's name or ``"pipeline"``.

        Returns:
            Classes, shape ``(N,)``.
        """
        return np.concatenate(self._given[name])

    def drift(self, name: str) -> dict[str, float]:
        """How far the statistics at each BatchNorm lie from the running ones.

        Args:
            name: As for ``of``.

        Returns:
            Distances by layer; empty without BatchNorm.
        """
        return self._network.drift(self._moments[name]) if name in self._moments else {}

    def asked(self, batches: Generator[Batch, None, None]) -> Generator[int, None, None]:
        """Ask the network about batches in every way, one batch ahead of the answers taken.

        Args:
            batches: They are closed with it, since an error would leave their threads running.

        Yields:
            After each batch, how many images have their answers.
        """
        with closing(batches):
            first = next(batches, None)
            if first is None:
                return
            pixels = shared(first.variants[REFERENCE].pixels).to(self._network.device)
            with workers(*self._network.prepare(pixels, self._ways[REFERENCE][1])) as pool:
                asking = Asking(self._network, self._ways, pool)
                begun = ((batch, asking.begin(batch)) for batch in chain([first], batches))
                for batch, parts in one_ahead(begun):
                    self._take(batch, parts)
                    yield len(self.labels)

    def _take(self, batch: Batch, parts: dict[str, list[Part]]) -> None:
        self._labels.append(batch.labels)
        self.coloured += batch.coloured
        brightest = float(batch.variants[REFERENCE].pixels.max())
        self.brightest = max(self.brightest, brightest)
        for name, of_way in parts.items():
            # An image in no part has the reference's answer.
            given = self._given[REFERENCE][-1].copy() if name != REFERENCE else batch.labels.copy()
            for part in of_way:
                given[part.rows], moments = part.answered.result()
                self._moments.setdefault(name, InputMoments()).merge(moments)
            self._given.setdefault(name, []).append(given)
            self.changed[name] = self.changed.get(name, 0) + self._changed(batch, name)
        if batch.tested is not None:
            self.handed_over.add(batch.variants[REFERENCE].pixels, batch.tested, batch.views)

    def _changed(self, batch: Batch, name: str) -> int:
        if name == TESTED:
            return self._prepared_otherwise(batch)
        variant = batch.variants.get(self._ways[name][0])
        return 0 if variant is None else len(variant.indices)

    def _prepared_otherwise(self, batch: Batch) -> int:
        correct = self._ways[REFERENCE][1]
        reference = self._network.inputs(shared(batch.variants[REFERENCE].pixels), correct)
        within = SAME * float(np.abs(correct.matrix).max()) / WHITE
        return sum(
            given.shape != right.shape
            or not torch.allclose(given.to(right), right, rtol=0, atol=within)
            for given, right in zip(batch.tested or (), reference, strict=True)
        )
