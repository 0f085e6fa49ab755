"""What a network answers to the same images, prepared in every way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from normscope.auditing.drift import InputMoments
from normscope.auditing.handed_over import HandedOver
from normscope.auditing.variants import REFERENCE
from normscope.errors import NormscopeError
from normscope.images.tensors import shared
from normscope.wording import first_line

if TYPE_CHECKING:
    from torch import Tensor

    from normscope.auditing.audited_network import AuditedNetwork
    from normscope.auditing.mistakes import Mistake
    from normscope.auditing.reading import Batch
    from normscope.auditing.value_map import ValueMap

TESTED = "pipeline"
NONE_CHANGED = np.empty(0, int)


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
        return self._network.watch.drift(self._moments[name]) if name in self._moments else {}

    def add(self, batch: Batch) -> None:
        """Ask the network about a batch, every way."""
        self._labels.append(batch.labels)
        self.coloured += batch.coloured
        resident = {
            name: shared(variant.pixels).to(self._network.device)
            for name, variant in batch.variants.items()
        }
        for name, (pixels, values) in self._ways.items():
            variant = batch.variants.get(pixels)
            changed = NONE_CHANGED if variant is None else variant.indices
            self.changed[name] = self.changed.get(name, 0) + len(changed)
            given = self._given_to(name, values, changed, resident, pixels)
            self._given.setdefault(name, []).append(given)
        if batch.tested is not None:
            self.changed[TESTED] = self.changed.get(TESTED, 0) + len(batch)
            self._given.setdefault(TESTED, []).append(self._to_tensors(batch.tested))
            self.handed_over.add(batch.variants[REFERENCE].pixels, batch.tested, batch.views)

    def _given_to(
        self,
        name: str,
        values: ValueMap,
        changed: np.ndarray,
        resident: dict[str, Tensor],
        pixels: str,
    ) -> np.ndarray:
        """The answers to a batch of which only some images have other pixels."""
        whole, moments = resident[REFERENCE], self._counting(name)
        if len(changed) == len(whole):
            return self._network.answers(resident[pixels], values, moments)
        if moments is not None:
            # BatchNorms meet the unchanged images too.
            if len(changed):
                at = torch.from_numpy(changed).to(whole.device)
                whole = whole.index_copy(0, at, resident[pixels])
            return self._network.answers(whole, values, moments)
        given = self._given[REFERENCE][-1].copy()
        if len(changed):
            given[changed] = self._network.answers(resident[pixels], values, None)
        return given

    def _counting(self, name: str) -> InputMoments | None:
        if not self._network.has_batchnorm:
            return None
        return self._moments.setdefault(name, InputMoments())

    def _to_tensors(self, tensors: list[Tensor]) -> np.ndarray:
        one_size = len({tensor.shape for tensor in tensors}) == 1
        parts = [torch.stack(tensors)] if one_size else [tensor[None] for tensor in tensors]
        moments = self._counting(TESTED)
        try:
            return np.concatenate([self._network.answers_for(part, moments) for part in parts])
        except RuntimeError as error:
            shape = tuple(tensors[0].shape)
            raise NormscopeError(
                f"the network must take what --pipeline gives, got tensors of shape {shape} and "
                f"the error: {first_line(error)}. Mend the transform."
            ) from error
