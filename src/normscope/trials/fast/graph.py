"""A stack on a CUDA device: whole steps replayed as one graph."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from normscope.models.stacked.trunk import TRUNKS
from normscope.trials.fast.stack import StackLearner
from normscope.trials.seeding import generators

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from normscope.images.decoded import DecodedSource
    from normscope.trials.seeding import Generators
    from normscope.trials.spec import TrialSpec

EAGER_STEPS = 3
"""Steps taken before one is captured: libraries choose and allocate in the first ones."""

TIMED_STEPS = 10


class GraphedStackLearner(StackLearner):
    """A stack whose steps are captured once and replayed, without a launch from Python each.

    Only full batches are replayed. The steps before the capture are part of the training.

    Args:
        specs: The trials, equal but for normalization and initialization scale.
        source: Their images.
        seeds: Their seed's streams.
        trunk: The convolutions' implementation, a name in ``TRUNKS``.
    """

    def __init__(
        self, specs: Sequence[TrialSpec], source: DecodedSource, seeds: Generators, trunk: str
    ) -> None:
        super().__init__(specs, source, seeds, trunk)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._static = torch.zeros(self._batch_size, dtype=torch.int64, device=self._device)
        self._eager_left = EAGER_STEPS
        self._side = torch.cuda.Stream()

    def step(self, indices: Tensor) -> None:
        """Train on one batch.

        Args:
            indices: Of its images, on the device.
        """
        if len(indices) < self._batch_size:
            super().step(indices)
        elif self._graph is not None:
            self._static.copy_(indices)
            self._graph.replay()
        elif self._eager_left:
            self._eager_left -= 1
            self._side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._side):
                super().step(indices)
            torch.cuda.current_stream().wait_stream(self._side)
        else:
            torch.cuda.empty_cache()
            graph = torch.cuda.CUDAGraph()
            graph.register_generator_state(self._masks.generator)
            with torch.cuda.graph(graph):
                super().step(self._static)
            self._graph = graph
            self.step(indices)

    def _go_on_dead(self) -> None:
        super()._go_on_dead()
        self._graph, self._eager_left = None, EAGER_STEPS


def fastest_trunk(source: DecodedSource, spec: TrialSpec, models: int) -> str:
    """Time a few steps of every implementation.

    Args:
        source: The images.
        spec: A trial of the stack.
        models: How many models it has.

    Returns:
        The name of the quickest that runs here.
    """
    timed = {name: seconds_a_step(source, spec, models, name) for name in TRUNKS}
    return min(timed, key=lambda name: timed[name])


def seconds_a_step(source: DecodedSource, spec: TrialSpec, models: int, trunk: str) -> float:
    """Time a few replayed steps of one implementation.

    Args:
        source: The images.
        spec: A trial of the stack.
        models: How many models it has.
        trunk: The implementation, a name in ``TRUNKS``.

    Returns:
        Infinity where it does not run: out of memory, or not supported on this device.
    """
    batch = min(spec.recipe.batch_size, len(source.train))
    spec = replace(spec, recipe=replace(spec.recipe, batch_size=batch))
    indices = torch.arange(batch, device=spec.device)
    try:
        learner = GraphedStackLearner([spec] * models, source, generators(spec.seed), trunk)
        for _ in range(EAGER_STEPS + 2):
            learner.step(indices)
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(TIMED_STEPS):
            learner.step(indices)
        torch.cuda.synchronize()
        return (time.perf_counter() - start) / TIMED_STEPS
    except Exception:  # noqa: BLE001 - compilers and libraries fail in kinds of their own
        return float("inf")
    finally:
        torch.cuda.empty_cache()
