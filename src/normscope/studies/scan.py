"""A grid of normalizations, trained cell by cell: what ``normscope scan`` does."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normscope.options import by_keywords, callback
from normscope.ray_connection import ray_cluster
from normscope.studies.executors.opening import open_executor
from normscope.studies.locking import locked
from normscope.studies.options import LocalPlace, ScanOptions
from normscope.studies.scan_planning import PlannedScan, plan_scan
from normscope.studies.study import Study

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True)
class Scanning(ScanOptions, LocalPlace):
    """A scan with its place and what is to be told of it."""

    on_progress: Callable[[int, int], None] | None = callback(
        "Called with the finished and the planned number of trials."
    )


@by_keywords(Scanning)
def scan(scanning: Scanning) -> Study:
    """Train a model under every normalization of a grid, each with the same seeds.

    Called again on the same folder, it runs only what has not finished; with more seeds, or more
    values on an axis, the study there grows. A script that runs several workers must call it under
    ``if __name__ == "__main__"``, as always with worker processes.

    Returns:
        The study.
    """
    return run_scan(plan_scan(scanning), scanning, scanning.on_progress)


def run_scan(
    plan: PlannedScan,
    place: LocalPlace | None = None,
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
    place = place or LocalPlace()
    # A cluster that cannot be reached is found before a folder is made for the study.
    with ray_cluster(place.ray) if place.ray else nullcontext(), locked(plan.out):
        study = Study.create(plan.out, plan.specification)
        plan = plan.joined(study)
        remaining = plan.remaining(study)
        total = len(plan.specification.trials())
        done = total - len(remaining)
        report = on_progress or (lambda _done, _total: None)
        report(done, total)
        if not remaining:
            return study
        with open_executor(
            plan.source, plan.specification.trial, len(remaining), place.workers, ray=place.ray
        ) as executor:
            waiting = list(reversed(remaining))
            for _ in range(min(executor.slots + 1, len(waiting))):
                executor.submit(waiting.pop())
            for _ in remaining:
                finished = executor.next_finished()
                if waiting:
                    executor.submit(waiting.pop())
                study.add(finished.spec, finished.result)
                done += 1
                report(done, total)
    return study
