"""Whether a training fits the memory that is free, before the system ends it without a word."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch

from normscope.arguments import for_caller
from normscope.errors import NormscopeError
from normscope.machine.free_memory import free_memory
from normscope.models.building import build_model
from normscope.trials.outline import ADVICE, gb, outlined, sized, weight_bytes
from normscope.wording import counted

if TYPE_CHECKING:
    from normscope.images.decoded import DecodedSource
    from normscope.trials.spec import TrialSpec

OPTIMIZER = {"adadelta": 2, "sgd": 1}
"""Running numbers that an optimizer keeps of each weight."""

FLOAT_BYTES = 4

LARGEST_MAPS = 500
"""Bytes that a step keeps for each byte of its batch are at most about so many: LeNet 230, with
BatchNorm 300, ResNet-50 150."""

BF16_SHARE = 0.5
"""Of what a step holds in fp32, the least that it holds in bf16."""

SPARE = 1.2
"""A measured step takes up to so many times what its tensors do: libraries have buffers, too."""


def check_memory(trial: TrialSpec, source: DecodedSource) -> None:
    """Refuse a training that cannot fit the memory, and warn of one that hardly does.

    Args:
        trial: What is to run on this machine.
        source: Its images.

    Raises:
        NormscopeError: If one step takes more than is free by everything that it surely holds.
    """
    free, least = free_memory(), least_bytes(trial, source)
    if free is None or least is None or SPARE * sum(least) <= free:
        return
    weights, batch = least
    images = counted(min(trial.recipe.batch_size, len(source.train)), "image")
    needs = (
        f"{gb(sum(least))}: {gb(weights)} for its weights, their gradients and the optimizer, "
        f"{gb(batch)} for a batch of {images}"
    )
    named = f"{trial.model} on {sized(source.image_size)}"
    if sum(least) > free:
        raise NormscopeError(
            f"a training of {named} must fit the {gb(free)} of memory that are free, got one that "
            f"needs at least {needs}. {ADVICE}"
        )
    warnings.warn(
        f"a training of {named} needs at least {needs}. {gb(free)} are free, and the system may "
        f"end it. {for_caller(ADVICE)}",
        RuntimeWarning,
        stacklevel=2,
    )


def trainings_that_fit(trial: TrialSpec, source: DecodedSource) -> int | None:
    """How many trainings fit the memory at once.

    Returns:
        At least 1; None where that is not known, or far more would fit than there are cores.
    """
    free, least = free_memory(), least_bytes(trial, source)
    if free is None or least is None:
        return None
    return max(1, int(free // (SPARE * sum(least))))


def least_bytes(trial: TrialSpec, source: DecodedSource) -> tuple[int, int] | None:
    """What a training surely holds at once on a CPU, beside its images.

    Args:
        trial: The training.
        source: Its images.

    Returns:
        Bytes for the weights, and for a batch; None where that is little or not known.
    """
    if trial.device != "cpu" or not trial.recipe.trains:
        return None
    from normscope.trials.fast.training import can_stack

    if trial.trainer == "fast" and can_stack(trial, source):
        from normscope.trials.fast.memory import least_stack_bytes
        from normscope.trials.fast.plan_choice import repays_compiling

        return least_stack_bytes(trial, source, compiled=repays_compiling(trial, source))
    batch = min(trial.recipe.batch_size, len(source.train))
    images = (batch, *source.train.shape[1:])
    names = ("channels", "classes", "image_size")
    shape = {name: getattr(source, name) for name in names}
    network = outlined(trial.model, trial.options, shape)
    copies = 1 + OPTIMIZER[trial.recipe.optimizer]
    most = LARGEST_MAPS * FLOAT_BYTES * torch.Size(images).numel()
    most += (1 + copies) * (weight_bytes(network) if network else 0)
    # What torch imports to follow shapes takes seconds.
    if most <= (free_memory() or 0):
        return None
    from normscope.trials.step_memory import step_bytes

    try:
        network = network or build_model(trial.model, options=trial.options, **shape)
        held = step_bytes(network, images, len(source.classes))
    except Exception:  # noqa: BLE001 - some networks need numbers where shapes are followed
        return None
    gradients = sum(
        parameter.numel() * parameter.element_size()
        for parameter in network.parameters()
        if parameter.requires_grad
    )
    weights = weight_bytes(network) + copies * gradients
    maps = max(0, held - gradients)
    return weights, int(maps * (BF16_SHARE if trial.precision == "bf16" else 1))
