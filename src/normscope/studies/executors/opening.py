"""Chooses where a study's trials run."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from normscope.machine.cores import available_cores
from normscope.studies.executors.starting import is_daemonic
from normscope.trials.enough_memory import check_memory, trainings_that_fit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from normscope.images.decoded import DecodedSource
    from normscope.studies.executors.executor import Executor
    from normscope.trials.spec import TrialSpec

STACK_ON_RAY = 64
"""Trials that one GPU of a cluster is handed at a time: enough to fill it, few enough that a lost
one costs little."""


@contextmanager
def open_executor(
    source: DecodedSource,
    trial: TrialSpec,
    trials: int,
    workers: int | None,
    *,
    stack: int | None = None,
    ray: str | None = None,
) -> Iterator[Executor]:
    """The executor for a study, closed at the end.

    Args:
        source: The trials' images.
        trial: What every trial shares, such as the device and the number of threads.
        trials: How many are left to run; no more workers than these are started.
        workers: How many trials run at once; None chooses.
        stack: How many train together where trials are stacked; None for all of them.
        ray: A Ray cluster's address, where trials are to run there.

    Yields:
        A Ray cluster's actors where one is named, one stack of all trials on a GPU where their
        model allows it, worker processes where several trials run at once, else this process.
    """
    executor: Executor
    if ray is None:
        check_memory(trial, source)
    if ray is not None:
        from normscope.studies.executors.on_ray import OnRay

        size = stack or STACK_ON_RAY if trains_stacked(trial, source) else 1
        executor = OnRay(source, trial, ray, trials, workers or trials, size)
    elif trains_stacked(trial, source):
        from normscope.studies.executors.stacked import Stacked

        executor = Stacked(source, min(trials, stack or trials))
    elif (workers := worker_count(trial, trials, workers, source)) > 1:
        from normscope.studies.executors.processes import LocalProcesses

        executor = LocalProcesses(source, workers)
    else:
        from normscope.studies.executors.in_process import InProcess

        executor = InProcess(source)
    try:
        yield executor
    finally:
        executor.close()


def trains_stacked(trial: TrialSpec, source: DecodedSource) -> bool:
    """Whether a study's trials train together on a GPU.

    Returns:
        True for the fast trainer's own networks on a CUDA device.
    """
    if trial.device != "cuda" or trial.trainer != "fast":
        return False
    from normscope.trials.fast.training import can_stack

    return can_stack(trial, source)


def worker_count(trial: TrialSpec, trials: int, workers: int | None, source: DecodedSource) -> int:
    """How many trials run at once.

    Args:
        trial: What every trial shares, such as the device and the number of threads.
        trials: How many are left to run.
        workers: What the user asked for; None gives each trial its threads' share of the cores, as
            far as the memory holds them.
        source: The trials' images.

    Returns:
        No more than there are trials.
    """
    if workers is None:
        on_cpu = trial.device == "cpu" and not is_daemonic()
        workers = max(1, available_cores() // trial.threads) if on_cpu else 1
        if (most := min(workers, trials)) > 1:
            workers = min(most, trainings_that_fit(trial, source) or most)
    return min(workers, trials)
