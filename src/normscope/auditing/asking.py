"""A batch of images put before a network in every way, in several threads at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from normscope.auditing.drift import InputMoments
from normscope.auditing.variants import REFERENCE
from normscope.errors import NormscopeError
from normscope.images.tensors import shared
from normscope.wording import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future, ThreadPoolExecutor

    from torch import Tensor

    from normscope.auditing.audited_network import AuditedNetwork
    from normscope.auditing.reading import Batch, Variant
    from normscope.auditing.value_map import ValueMap

TESTED = "pipeline"
"""The way of the tensors that a pipeline under test gives."""


@dataclass(frozen=True)
class Part:
    """Some images of a batch that the network is asked about in one way.

    Attributes:
        rows: Which images of the batch, shape ``(K,)``.
        answered: Their classes, shape ``(K,)``, and what BatchNorms met.
    """

    rows: np.ndarray
    answered: Future[tuple[np.ndarray, InputMoments]]


class Asking:
    """Asks a network about batches.

    Args:
        network: Prepared for as many threads as there are.
        ways: By name, which pixels each way shows and what becomes of them; the reference first.
        pool: The threads.
    """

    def __init__(
        self,
        network: AuditedNetwork,
        ways: Mapping[str, tuple[str, ValueMap]],
        pool: ThreadPoolExecutor,
    ) -> None:
        self._network = network
        self._ways = ways
        self._pool = pool

    def begin(self, batch: Batch) -> dict[str, list[Part]]:
        """Ask about a batch in every way.

        Returns:
            What is asked, by the name of the way. An image in no part has the reference's answer.
        """
        resident = {
            name: shared(variant.pixels).to(self._network.device)
            for name, variant in batch.variants.items()
        }
        parts: dict[str, list[Part]] = {}
        for name, (pixels, values) in self._ways.items():
            variant = batch.variants.get(pixels)
            if variant is None:
                parts[name] = parts[REFERENCE] if self._network.has_batchnorm else []
            elif len(variant.indices) < len(batch) and self._network.has_batchnorm:
                at = torch.from_numpy(variant.indices).to(self._network.device)
                mixed = resident[REFERENCE].index_copy(0, at, resident[pixels])
                parts[name] = list(self._mixed(mixed, variant, values, parts[REFERENCE]))
            else:
                parts[name] = list(self._alone(resident[pixels], variant, values))
        if batch.tested is not None:
            answered = self._pool.submit(self._answers_for, batch.tested)
            parts[TESTED] = [Part(np.arange(len(batch)), answered)]
        return parts

    def _alone(self, pixels: Tensor, variant: Variant, values: ValueMap) -> Iterator[Part]:
        """The images that a way changes."""
        together = self._network.together(pixels)
        for start in range(0, len(pixels), together):
            some = slice(start, start + together)
            answered = self._pool.submit(self._answers, pixels[some], values)
            yield Part(variant.indices[some], answered)

    def _mixed(
        self, mixed: Tensor, variant: Variant, values: ValueMap, reference: list[Part]
    ) -> Iterator[Part]:
        """All images: BatchNorms meet the unchanged ones too."""
        for part in reference:
            if np.isin(part.rows, variant.indices).any():
                pixels = mixed[int(part.rows[0]) : int(part.rows[-1]) + 1]
                yield Part(part.rows, self._pool.submit(self._answers, pixels, values))
            else:
                yield part

    def _answers(self, pixels: Tensor, values: ValueMap) -> tuple[np.ndarray, InputMoments]:
        moments = InputMoments()
        return self._network.answers(pixels, values, moments), moments

    def _answers_for(self, tensors: list[Tensor]) -> tuple[np.ndarray, InputMoments]:
        moments = InputMoments()
        try:
            return self._network.answers_for(tensors, moments), moments
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            shape = tuple(tensors[0].shape)
            raise NormscopeError(
                f"the network must take what --pipeline gives, got tensors of shape {shape} and "
                f"the error: {first_line(error)}. Mend the transform."
            ) from error
