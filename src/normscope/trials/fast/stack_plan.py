"""How a stack is computed: the implementation of its steps, checked on the device that runs it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normscope.models.stacked.triton_present import has_triton
from normscope.models.stacked.trunk import TRUNKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.images.decoded import DecodedSource
    from normscope.trials.spec import TrialSpec


@dataclass(frozen=True)
class StackPlan:
    """How the steps of a stack are computed.

    Attributes:
        trunk: The convolutions' implementation, a name in ``TRUNKS``.
        fused: Whether a GPU takes Adadelta's step in one kernel of ours.
        graphed: Whether a GPU replays whole steps as one CUDA graph.
    """

    trunk: str = "channels-last"
    fused: bool = False
    graphed: bool = False

    def __str__(self) -> str:
        parts = [f"the {self.trunk} convolutions"]
        parts += ["the fused optimizer"] if self.fused else []
        parts += ["a CUDA graph"] if self.graphed else []
        return " with ".join((parts[0], " and ".join(parts[1:]))) if parts[1:] else parts[0]


PLAIN = StackPlan()
"""Plain operations of torch, on every device; on a CPU the only plan, so that bits do not vary."""


def choose_plan(specs: Sequence[TrialSpec], source: DecodedSource) -> StackPlan:
    """The quickest plan of those that this device computes rightly.

    On a GPU each quicker plan first takes steps beside the plain one. One that fails or strays is
    left out, with a warning that names it.

    Args:
        specs: The trials of a stack.
        source: Their images.

    Returns:
        A plan for them.
    """
    if specs[0].device != "cuda":
        return PLAIN
    from normscope.trials.fast.self_check import seconds_a_step

    plans = (PLAIN, *trusted_plans(specs[0], source))
    return min(plans, key=lambda plan: seconds_a_step(plan, specs, source))


def trusted_plans(spec: TrialSpec, source: DecodedSource) -> list[StackPlan]:
    """For each implementation of the convolutions the first plan that agrees with the plain one.

    Args:
        spec: A trial of the stack.
        source: Its images.

    Returns:
        The plans; each that is left out is warned of.
    """
    from normscope.trials.fast.self_check import why_not

    fused = has_triton() and spec.recipe.optimizer == "adadelta"
    trusted = []
    for trunk in TRUNKS:
        if trunk == "triton" and not has_triton():
            continue
        plans = [StackPlan(trunk, fused, True), StackPlan(trunk, False, True)]
        for plan in [*dict.fromkeys(plans), StackPlan(trunk)]:
            if plan == PLAIN:
                continue
            reason = why_not(plan, spec, source)
            if reason is None:
                trusted.append(plan)
                break
            warnings.warn(
                f"{plan} are left out on this GPU: {reason}", RuntimeWarning, stacklevel=2
            )
    return trusted
