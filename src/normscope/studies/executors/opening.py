"""Chooses where a study's trials run."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from normscope.machine.cores import available_cores
from normscope.trials.spec import TrialSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from normscope.images.decoded import DecodedSource
    from normscope.studies.executors.executor import Executor
    from normscope.studies.specification import ScanSpec

STACK_ON_RAY = 64
"""Trials that one GPU of a cluster is handed at a time: enough to fill it, few enough that a lost
one costs little."""


@contextmanager
def open_executor(
    source: DecodedSource,
    specification: ScanSpec | TrialSpec,
    trials: int,
    workers: int | None,
    *,
    stack: int | None = None,
    ray: str | None = None,
) -> Iterator[Executor]:
    """The executor for a study, closed at the end.

    Args:
        source: The trials' images.
        specification: Says where trials run and with how many threads.
        trials: How many are left to run; no more workers than these are started.
        workers: How many trials run at once; None chooses.
        stack: How many train together where trials are stacked; None for all of them.
        ray: A Ray cluster's address, where trials are to run there.

    Yields:
        A Ray cluster's actors where one is named, one stack of all trials on a GPU where their
        model allows it, worker processes where several trials run at once, else this process.
    """
    executor: Executor
    if ray is not None:
        from normscope.studies.executors.on_ray import OnRay

        size = stack or STACK_ON_RAY if trains_stacked(specification) else 1
        executor = OnRay(source, specification, ray, trials, workers or trials, size)
    elif trains_stacked(specification):
        from normscope.studies.executors.stacked import Stacked

        executor = Stacked(source, min(trials, stack or trials))
    elif (workers := worker_count(specification, trials, workers)) > 1:
        from normscope.studies.executors.processes import LocalProcesses

        executor = LocalProcesses(source, workers)
    else:
        from normscope.studies.executors.in_process import InProcess

        executor = InProcess(source)
    try:
        yield executor
    finally:
        executor.close()


def trains_stacked(specification: ScanSpec | TrialSpec) -> bool:
    """Whether a study's trials train together on a GPU.

    Args:
        specification: Names the model, the device and the trainer.

    Returns:
        True for the fast trainer's own networks on a CUDA device.
    """
    if specification.device != "cuda" or specification.trainer != "fast":
        return False
    from normscope.trials.fast.training import can_stack

    one = specification
    return can_stack(one if isinstance(one, TrialSpec) else one.trial(one.data, seed=0))


def worker_count(specification: ScanSpec | TrialSpec, trials: int, workers: int | None) -> int:
    """How many trials run at once.

    Args:
        specification: Says where trials run and with how many threads.
        trials: How many are left to run.
        workers: What the user asked for; None gives each trial its threads' share of the cores.

    Returns:
        No more than there are trials.
    """
    if workers is None:
        on_cpu = specification.device == "cpu"
        workers = max(1, available_cores() // specification.threads) if on_cpu else 1
    return min(workers, trials)
