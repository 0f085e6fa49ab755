"""The fast trainer: one trial, whatever its model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from normscope.machine.cores import threads
from normscope.machine.memory import keep_freed_memory
from normscope.models.options import ModelOptions
from normscope.trials.augmentation import Augmentation
from normscope.trials.fast.general import ModelLearner
from normscope.trials.fast.learner import fit
from normscope.trials.fast.plan_choice import choose_plan
from normscope.trials.fast.rounds import train_stack
from normscope.trials.seeding import generators, torch_seeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.images.decoded import DecodedSource
    from normscope.trials.result import Epoch, TrialResult
    from normscope.trials.spec import TrialSpec

STACKED_MODEL = "lenet"
STACKED_DEVICES = ("cpu", "cuda")


def can_stack(spec: TrialSpec, source: DecodedSource) -> bool:
    """Whether trials can train together, by arithmetic of our own.

    Returns:
        True for ``lenet`` from scratch on a CPU or a CUDA device, by the recipes of its own, on
        images of bytes: all arithmetic there is made for values of 8 bits.
    """
    stacked = spec.model == STACKED_MODEL and spec.device in STACKED_DEVICES
    plain = not (spec.recipe.augment or spec.recipe.weight_decay) and spec.options == ModelOptions()
    return stacked and plain and spec.recipe.trains and source.train.held.dtype == np.uint8


def train_fast(
    spec: TrialSpec,
    source: DecodedSource,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> TrialResult:
    """Run one trial: the plain trainer's experiment in less time.

    The same initialization, order of images and schedule, and dropout of the same law from other
    draws; see ``docs/performance.md`` for what is done otherwise, and ``run_trial`` for arguments.

    Returns:
        What the trial gave.
    """
    if can_stack(spec, source):
        return train_stack([spec], source, choose_plan([spec], source), on_epoch)[0]
    seeds = generators(spec.seed)
    with threads(spec.threads), torch_seeded(seeds.initialization, spec.device):
        if spec.device == "cpu":
            keep_freed_memory()
        recipe = spec.recipe
        augmentation = Augmentation(recipe.padding, seeds.augmentation) if recipe.augment else None
        learner = ModelLearner(spec, source, augmentation)
        torch.manual_seed(seeds.dropout)
        return fit(learner, spec, source, seeds.order, on_epoch)[0]
