"""Whether a quicker way to compute a stack agrees with the plain one on the device at hand."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from normscope.machine.cores import threads
from normscope.machine.device import without_tf32
from normscope.normalization import Normalization
from normscope.trials.fast.graph import open_learner
from normscope.trials.fast.memory import models_that_fit
from normscope.trials.fast.stack_plan import PLAIN
from normscope.trials.seeding import generators
from normscope.wording import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from normscope.images.decoded import DecodedSource
    from normscope.trials.fast.stack_plan import StackPlan
    from normscope.trials.spec import TrialSpec

STEPS = 6
"""More than a graph's first eager steps, so that replayed ones are checked too."""

CHECKED = (Normalization(0.0, 1.0), Normalization(0.5, 0.5), Normalization(-1.0, 2.0))

GRADIENT_TOLERANCES = {"fp32": 0.005, "bf16": 0.1}
"""Of a gradient's size, at the same weights."""

AS_PLAIN = 1.5
"""How much further from fp32 than the plain way in the same precision. Where a normalization makes
large numbers of opposite signs, bf16 is off by more than the tolerance however it is computed."""

WAY_TOLERANCE = 0.5
"""Of the way that a tensor's weights went. Rounding decides between near ties of ReLU and pooling,
and Adadelta's first steps are as long for small gradients as for large ones."""


def why_not(plan: StackPlan, spec: TrialSpec, source: DecodedSource) -> str | None:
    """Take some steps by a plan and by the plain one, and compare both with the plain one in fp32.

    Args:
        plan: The plan in question.
        spec: Gives device, precision, recipe and seed.
        source: The images.

    Returns:
        What is wrong with the plan; None where it agrees.
    """
    expected = _steps(PLAIN, replace(spec, precision="fp32"), source)
    plain = expected if spec.precision == "fp32" else _steps(PLAIN, spec, source)
    try:
        found = _steps(plan, spec, source)
    except Exception as error:  # noqa: BLE001 - compilers and libraries fail in kinds of their own
        lines = str(error).strip().splitlines() or [""]
        return f"{type(error).__name__}: {lines[0]}"
    tolerances = GRADIENT_TOLERANCES[spec.precision], WAY_TOLERANCE
    for what, tolerance, right, theirs, mine in zip(
        ("the first gradient", f"the way over {STEPS} steps"),
        tolerances,
        expected,
        plain,
        found,
        strict=True,
    ):
        for name, tensor in right.items():
            off = _off(mine[name], tensor)
            if not off <= max(tolerance, AS_PLAIN * _off(theirs[name], tensor)):
                return f"{what} of {name} is off by {percent(off)}."
    return None


def _off(found: Tensor, right: Tensor) -> float:
    return float((found - right).norm() / right.norm())


def _steps(
    plan: StackPlan, spec: TrialSpec, source: DecodedSource
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The first gradients of a few models, and what some steps add to their weights, by name."""
    specs = [replace(spec, normalization=each) for each in CHECKED]
    batch = min(spec.recipe.batch_size, len(source.train))
    order = torch.arange(STEPS * batch, device=spec.device) % len(source.train)
    with threads(spec.threads), without_tf32():
        learner = open_learner(specs, source, generators(spec.seed), plan)
        learner.set_rates([spec.recipe.lr] * len(specs))
        weights, gradients = learner.numbers()
        before = {name: tensor.clone() for name, tensor in weights.items()}
        first: dict[str, Tensor] = {}
        for indices in order.split(batch):
            learner.step(indices)
            first = first or {name: tensor.clone() for name, tensor in gradients.items()}
        return first, {name: tensor - before[name] for name, tensor in weights.items()}


def seconds_a_step(plan: StackPlan, specs: Sequence[TrialSpec], source: DecodedSource) -> float:
    """Time a few steps of a stack by a plan, on as many of its models as fit the memory.

    Args:
        plan: The plan.
        specs: The trials of the stack.
        source: Their images.

    Returns:
        Seconds a step of all models; infinity where even so the memory does not do.
    """
    spec = specs[0]
    models = min(len(specs), models_that_fit(spec, source, plan.trunk))
    indices = torch.arange(min(spec.recipe.batch_size, len(source.train)), device=spec.device)
    try:
        with without_tf32():
            learner = open_learner([spec] * models, source, generators(spec.seed), plan)
            for _ in range(STEPS):
                learner.step(indices)
            torch.cuda.synchronize()
            start = time.perf_counter()
            for _ in range(STEPS):
                learner.step(indices)
            torch.cuda.synchronize()
            return (time.perf_counter() - start) / STEPS * len(specs) / models
    except torch.OutOfMemoryError:
        return float("inf")
    finally:
        torch.cuda.empty_cache()
