"""What a scan would cost, from a measured piece of it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.studies.executors.opening import trains_stacked, worker_count
from normscope.studies.study import Study
from normscope.trials.enough_memory import check_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.images.decoded import DecodedSource
    from normscope.normalization import Normalization
    from normscope.studies.scan_planning import PlannedScan
    from normscope.studies.specification import ScanSpec
    from normscope.trials.result import TrialResult
    from normscope.trials.spec import TrialSpec

MEASURED_STEPS = 8
MEASURED_TEST_IMAGES = 1000
DATABASE_BYTES = 200_000
"""What an empty study's database takes, beside its trials."""

FIGURE_BYTES = 200_000
MEASURED_STACK = 32
"""How many trials of a stack are measured; more take less time each."""

SURVIVAL_STEPS = 150
"""What most trainings take until it is known whether they live, nearly all below 200."""


@dataclass(frozen=True)
class CostEstimate:
    """What a scan would cost.

    Attributes:
        trials: How many would run.
        finished: How many are finished already.
        workers: How many would run at once.
        seconds: How long it would take.
        bytes_: How much disk the finished study takes.
    """

    trials: int
    finished: int
    workers: int
    seconds: float
    bytes_: int

    def to_json(self, specification: ScanSpec) -> dict[str, Any]:
        """Every field by name, with the specification: what ``--dry-run --json`` gives."""
        numbers = asdict(self)
        numbers["bytes"] = numbers.pop("bytes_")
        return {**numbers, "specification": specification.to_json()}


def estimate(plan: PlannedScan, workers: int | None) -> CostEstimate:
    """Time a few steps and one test, and scale them up.

    Args:
        plan: The scan.
        workers: How many trials would run at once; None chooses.

    Returns:
        What the rest of the scan would cost.
    """
    study = Study.find(plan.out)
    plan = plan.joined(study)
    specification = plan.specification
    planned = specification.trials()
    remaining = plan.remaining(study)
    shared, recipe = specification.trial, specification.trial.recipe
    check_memory(shared, plan.source)
    few = _few_images(plan.source, recipe.batch_size)
    # Compiling a frozen network would take longer than the piece that is measured.
    trial = replace(
        shared,
        normalization=specification.data,
        recipe=replace(recipe, epochs=min(recipe.epochs, 1)),
        trainer="fast" if shared.trainer == "compiled" else shared.trainer,
    )
    result, once = _measure(trial, _together(specification, remaining, few), few)
    test_share = len(plan.source.test) / len(few.test)
    images = len(few.test)
    if recipe.trains:
        images += len(few.train) + len(few.validation or ())
    per_image = once / images
    trained_on = recipe.epochs * (len(plan.source.train) + len(plan.source.validation or ()))
    until_known = min(trained_on, SURVIVAL_STEPS * recipe.batch_size)
    seen = [until_known if trial.survival else trained_on for trial in remaining]
    spent = [per_image * (images + len(plan.source.test)) for images in seen]
    count = worker_count(shared, max(1, len(remaining)), workers, plan.source)
    epoch_bytes = sum(len(json.dumps(epoch)) for epoch in result.history)
    trial_bytes = (
        len(json.dumps({"trial": trial.to_json(), **result.to_json()}))
        + epoch_bytes * max(0, recipe.epochs - 1)
        + int(len(result.correct) * (test_share - 1))
    )
    return CostEstimate(
        trials=len(remaining),
        finished=len(planned) - len(remaining),
        workers=count,
        seconds=max(sum(spent) / count, max(spent, default=0.0)),
        bytes_=DATABASE_BYTES + 2 * FIGURE_BYTES + int(1.3 * trial_bytes) * len(planned),
    )


def _together(
    specification: ScanSpec, remaining: Sequence[TrialSpec], source: DecodedSource
) -> list[Normalization]:
    """What would train with the first trial as one stack; nothing where none is made."""
    if not remaining or not trains_stacked(specification.trial, source):
        return []
    stack = [t.normalization for t in remaining if t.seed == remaining[0].seed]
    return stack[:MEASURED_STACK]


def _measure(
    trial: TrialSpec, stack: list[Normalization], images: DecodedSource
) -> tuple[TrialResult, float]:
    """One trial's result and its seconds, or its share of a stack's, after a first run."""
    from normscope.trials.fast.rounds import train_many
    from normscope.trials.running import run_trial

    trials = [replace(trial, normalization=n) for n in stack]

    def run() -> TrialResult:
        return train_many(trials, images)[0] if stack else run_trial(trial, images)

    run()
    start = time.perf_counter()
    result = run()
    return result, (time.perf_counter() - start) / max(1, len(stack))


def _few_images(source: DecodedSource, batch_size: int) -> DecodedSource:
    def first(images, count: int):
        return images.take(np.arange(min(count, len(images))))

    return replace(
        source,
        train=first(source.train, MEASURED_STEPS * batch_size),
        validation=first(source.validation, 100) if source.validation else None,
        test=first(source.test, MEASURED_TEST_IMAGES),
    )
