"""A grid of normalizations, trained cell by cell: what ``normscope scan`` does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from normscope.options import by_keywords, callback
from normscope.progress import silent, watched
from normscope.studies.executors.opening import open_executor
from normscope.studies.options import Place, ScanOptions
from normscope.studies.scan_planning import PlannedScan, default_folder, plan_scan
from normscope.studies.study import Study
from normscope.studies.work_loop import at_work, drive

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True)
class Scanning(ScanOptions, Place):
    """A scan with its place and what is to be told of it."""

    on_progress: Callable[[int, int], None] | None = callback(
        "Called with the finished and the planned number of trials; by default a bar where you "
        "work interactively."
    )


@by_keywords(Scanning)
def scan(scanning: Scanning) -> Study:
    """Train a model under every normalization of a grid, each with the same seeds.

    Called again on the same folder, it runs only what has not finished; with more seeds, or more
    values on an axis, the study there grows. Scripts need no ``if __name__ == "__main__"``, except
    where ``model`` is a factory in the script itself, ``__main__:factory``.

    Returns:
        The study, for ``summarize`` and ``report``.

    Raises:
        NormscopeError: If an option is wrong, the images cannot be used, or the model does not take
            them.
        SpecificationDiffers: If the folder or the database holds another study.
        StudyBusy: If another process works on the folder.
        WorkFailed: If an image cannot be read and ``strict`` holds, or the worker processes die.
    """
    with watched(None, "images") as update:
        plan = plan_scan(scanning, update)
    with watched(scanning.on_progress, "trials") as update:
        return run_scan(plan, scanning, update)


def run_scan(
    plan: PlannedScan,
    place: Place | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Study:
    """Run what remains of a planned scan; every finished trial is saved at once.

    Args:
        plan: The scan.
        place: Where it runs; results do not depend on it.
        on_progress: Called with the finished and the planned number of trials, first before any
            trial runs.

    Returns:
        The study.

    Raises:
        StudyBusy: If another process works on the folder.
        SpecificationDiffers: If the folder holds another study.
    """
    place = place or Place()
    with at_work(plan.out, place):
        trial = plan.specification.trial
        usual = default_folder(trial.source, trial.model)
        study = Study.create(plan.out, plan.specification, place.storage, place.name_beside(usual))
        plan = plan.joined(study)
        remaining = plan.remaining(study)
        total = len(plan.specification.trials())
        done = total - len(remaining)
        report = on_progress or silent
        if not remaining:
            report(done, total)
            return study
        parts = study.work(
            remaining, alone=place.storage is None, grace_seconds=place.grace_seconds
        )
        with open_executor(
            plan.source, plan.specification.trial, len(remaining), place.workers, ray=place.ray
        ) as executor:
            report(done, total)
            for work, claims in parts:
                with study.database().answering(), claims.beating():
                    drive(work, executor, lambda new, _, before=done: report(before + new, total))
                done += work.total
    return study
