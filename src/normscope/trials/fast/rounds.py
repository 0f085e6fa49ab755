"""Trials trained together: as many at a time as share their images and fit the memory."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from normscope.errors import WorkFailed
from normscope.init_scale import InitScale
from normscope.machine.cores import threads
from normscope.machine.device import without_tf32
from normscope.machine.memory import keep_freed_memory
from normscope.normalization import NONE
from normscope.trials.fast.graph import open_learner
from normscope.trials.fast.learner import fit
from normscope.trials.fast.memory import models_that_fit
from normscope.trials.fast.plan_choice import choose_plan
from normscope.trials.result import FinishedTrial
from normscope.trials.seeding import generators

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from normscope.images.decoded import DecodedSource
    from normscope.trials.fast.stack_plan import StackPlan
    from normscope.trials.result import Epoch, TrialResult
    from normscope.trials.spec import TrialSpec


def train_many(specs: Sequence[TrialSpec], source: DecodedSource) -> list[TrialResult]:
    """Train LeNets together: the same trials as one by one, in a fraction of the time on a GPU.

    Args:
        specs: Trials of ``lenet`` on these images, in any mixture of seeds and recipes.
        source: Their images.

    Returns:
        Their results, in the same order.
    """
    finished = [trial for one in train_rounds(specs, source) for trial in one]
    results = {trial.spec.key(): trial.result for trial in finished}
    return [results[spec.key()] for spec in specs]


def train_rounds(
    specs: Sequence[TrialSpec], source: DecodedSource, plan: StackPlan | None = None
) -> Iterator[list[FinishedTrial]]:
    """Train LeNets together, round by round.

    Trials of one round differ in normalization and initialization scale only: those of one seed
    see the same images in the same order and the same dropout, so a batch is read and drawn once
    for all of them.

    Args:
        specs: Trials of ``lenet`` on these images.
        source: Their images.
        plan: How steps are computed; None chooses.

    Yields:
        The trials of one round with their results. A round that runs out of memory is run again
        in halves, and no later one is larger.

    Raises:
        WorkFailed: If one trial alone does not fit the device's memory.
    """
    largest = len(specs)
    warned = False
    chosen: dict[tuple[Any, ...], StackPlan] = {}
    for group in _groups(specs):
        first = group[0]
        alike = first.recipe, first.precision, first.device, len(group)
        if plan is None and alike not in chosen:
            chosen[alike] = choose_plan(group, source)
        using = plan or chosen[alike]
        fitting = models_that_fit(first, source, using.trunk)
        waiting = list(group)
        while waiting:
            size = _even_share(len(waiting), min(largest, fitting))
            try:
                results = train_stack(waiting[:size], source, using)
            except torch.OutOfMemoryError:
                results = None
            # Not while the exception is handled, whose frames still hold the memory.
            if results is None:
                if size == 1:
                    raise WorkFailed(
                        f"a trial must fit the memory of {first.device}, got one that does not. "
                        "Free memory on the device, or use --device cpu."
                    )
                largest = size // 2
                if first.device == "cuda":
                    torch.cuda.empty_cache()
                if not warned:
                    warnings.warn(
                        f"{first.device} ran out of memory; going on with rounds of at most "
                        f"{largest} trials",
                        RuntimeWarning,
                        stacklevel=2,
                    )
                warned = True
                continue
            yield [
                FinishedTrial(spec, result)
                for spec, result in zip(waiting[:size], results, strict=True)
            ]
            waiting = waiting[size:]


def train_stack(
    specs: Sequence[TrialSpec],
    source: DecodedSource,
    plan: StackPlan,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> list[TrialResult]:
    """Train LeNets as one stack.

    Args:
        specs: Trials that differ in normalization and initialization scale only.
        source: Their images.
        plan: How their steps are computed.
        on_epoch: Called with the first trial's epochs.

    Returns:
        Their results, in the same order.
    """
    first = specs[0]
    seeds = generators(first.seed)
    with threads(first.threads), without_tf32():
        if first.device == "cpu":
            keep_freed_memory()
        learner = open_learner(specs, source, seeds, plan)
        return fit(learner, first, source, seeds.order, on_epoch)


def _groups(specs: Sequence[TrialSpec]) -> list[list[TrialSpec]]:
    groups: dict[str, list[TrialSpec]] = {}
    for spec in specs:
        shape = replace(spec, normalization=NONE, init_scale=InitScale())
        groups.setdefault(shape.key(), []).append(spec)
    return list(groups.values())


def _even_share(waiting: int, largest: int) -> int:
    """As few rounds as possible, and those of equal size: 225 by at most 100 is 3 times 75."""
    return math.ceil(waiting / math.ceil(waiting / largest))
