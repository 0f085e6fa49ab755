"""How a stack is computed: the quickest way that this device gets right."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from normscope.machine.compiling import has_numba
from normscope.models.stacked.trunks import GPU_TRUNKS, has_triton
from normscope.trials.fast.self_check import seconds_a_step
from normscope.trials.fast.stack_plan import COMPILED, PLAIN, StackPlan
from normscope.trials.fast.verdicts import Verdicts, opened_verdicts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.images.decoded import DecodedSource
    from normscope.trials.spec import TrialSpec


REPAID = 20_000
"""Images trained on, over all epochs, that repay compiling: it takes 9 s the first time and saves
0.8 ms an image, on one core of an AVX2 machine."""


def choose_plan(specs: Sequence[TrialSpec], source: DecodedSource) -> StackPlan:
    """The quickest plan of those that this device gets right.

    On a GPU each quicker plan first takes steps beside the plain one, once for each device and
    version. One that fails or strays is left out, with a warning that names it.

    Returns:
        A plan for them.
    """
    if specs[0].device != "cuda":
        return COMPILED if repays_compiling(specs[0], source) else PLAIN
    plans = (PLAIN, *trusted_plans(specs[0], source))
    return min(plans, key=lambda plan: seconds_a_step(plan, specs, source))


def repays_compiling(spec: TrialSpec, source: DecodedSource) -> bool:
    """Whether a trial on a CPU uses passes that numba compiles.

    It follows from the trial alone, so that results do not vary from run to run.

    Returns:
        True for a long enough training in fp32 where numba is installed.
    """
    trained_on = spec.recipe.epochs * len(source.train)
    return spec.precision == "fp32" and trained_on >= REPAID and has_numba()


def trusted_plans(spec: TrialSpec, source: DecodedSource) -> list[StackPlan]:
    """For each implementation of the convolutions the first plan that agrees with the plain one."""
    with opened_verdicts(spec.device) as verdicts:
        return _trusted(verdicts, spec, source)


def _trusted(verdicts: Verdicts, spec: TrialSpec, source: DecodedSource) -> list[StackPlan]:
    fused = has_triton() and spec.recipe.optimizer == "adadelta"
    trusted = []
    for trunk in GPU_TRUNKS:
        if trunk == "triton" and not has_triton():
            continue
        plans = [StackPlan(trunk, fused, True), StackPlan(trunk, False, True)]
        for plan in [*dict.fromkeys(plans), StackPlan(trunk)]:
            if plan == PLAIN:
                continue
            reason = verdicts.why_not(plan, spec, source)
            if reason is None:
                trusted.append(plan)
                break
            warnings.warn(
                f"{plan} are left out on this GPU: {reason}", RuntimeWarning, stacklevel=3
            )
    return trusted
