"""A stack on a CUDA device: whole steps replayed as one graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from normscope.trials.fast.stack import StackLearner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from normscope.images.decoded import DecodedSource
    from normscope.trials.fast.stack_plan import StackPlan
    from normscope.trials.seeding import Generators
    from normscope.trials.spec import TrialSpec

EAGER_STEPS = 3
"""Steps taken before one is captured: libraries choose and allocate in the first ones."""


class GraphedStackLearner(StackLearner):
    """A stack whose steps are captured once and replayed, without a launch from Python each.

    Only full batches are replayed. The steps before the capture are part of the training.

    Args:
        specs: The trials, equal but for normalization and initialization scale.
        source: Their images.
        seeds: Their seed's streams.
        plan: How their steps are computed.
    """

    def __init__(
        self, specs: Sequence[TrialSpec], source: DecodedSource, seeds: Generators, plan: StackPlan
    ) -> None:
        super().__init__(specs, source, seeds, plan)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._static = torch.zeros(self._batch_size, dtype=torch.int64, device=self._device)
        self._eager_left = EAGER_STEPS
        self._side = torch.cuda.Stream()

    def step(self, indices: Tensor) -> None:
        """Train on one batch."""
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

    def keep(self, indices: Sequence[int]) -> None:
        """Go on with some of the models alone; see ``Learner``."""
        self._graph = None  # Before the memory that it replays in is let go.
        super().keep(indices)
        self._eager_left = EAGER_STEPS

    def _go_on_dead(self) -> None:
        super()._go_on_dead()
        self._graph, self._eager_left = None, EAGER_STEPS


def open_learner(
    specs: Sequence[TrialSpec], source: DecodedSource, seeds: Generators, plan: StackPlan
) -> StackLearner:
    """A stack, ready to learn."""
    learner = GraphedStackLearner if plan.graphed else StackLearner
    return learner(specs, source, seeds, plan)
