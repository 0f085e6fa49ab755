"""Runs trials in worker processes on this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import types
import warnings
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normscope.errors import WorkFailed
from normscope.studies.executors.executor import Executor
from normscope.studies.executors.forking import (
    can_fork,
    leave_parent_behind,
    open_files,
    sharing_memory,
    unwarned,
)
from normscope.studies.executors.interrupts import without_interrupts
from normscope.studies.executors.shared_source import read_source, write_source
from normscope.studies.executors.starting import has_room_for_sockets, startable
from normscope.temporary_files import begun_file, end_file
from normscope.trials.result import FinishedTrial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import BaseContext

    from normscope.images.decoded import DecodedSource
    from normscope.studies.executors.forking import File
    from normscope.trials.result import TrialResult
    from normscope.trials.spec import TrialSpec


IMAGES = "images.pickle"
"""What the temporary file is named after. A study that is killed before a worker watches over the
file leaves it behind, and the next study on this machine removes it."""


class LocalProcesses(Executor):
    """An executor over a pool of processes that each hold the images.

    The workers end with this process, however it ends: each watches a pipe whose other end only
    this process holds.

    Args:
        source: The trials' images.
        workers: How many trials run at once.
    """

    def __init__(self, source: DecodedSource, workers: int) -> None:
        self.slots = workers
        self._source = source
        self._in_flight: dict[Future[TrialResult], TrialSpec] = {}
        self._start()

    def submit(self, spec: TrialSpec) -> None:
        """Hand a trial to the next free worker."""
        try:
            # Submitting may start a worker, which Ctrl-C must not reach before it is ignored there.
            with startable(self.slots), without_interrupts(), _without_script(spec.model):
                self._in_flight[self._pool.submit(_run, spec)] = spec
        except (BrokenProcessPool, EOFError, ConnectionError):
            # The last two if the server that workers are forked from has been killed.
            self._restart([spec])

    def next_finished(self) -> FinishedTrial:
        """Wait for a submitted trial to finish.

        Returns:
            The first to finish.

        Raises:
            WorkFailed: If the last worker died too, for example out of memory.
        """
        while True:
            done, _ = wait(self._in_flight, return_when=FIRST_COMPLETED)
            # What is whole is handed over before others are run again.
            future = min(done, key=lambda one: isinstance(one.exception(), BrokenProcessPool))
            try:
                result = future.result()
            except BrokenProcessPool:
                self._restart([])
                continue
            return FinishedTrial(self._in_flight.pop(future), result)

    def close(self) -> None:
        """Stop every worker at once, even in the middle of a trial."""
        if not self._in_flight:
            self._pool.shutdown(wait=True)
        self._begun.close()

    def _start(self) -> None:
        with startable(self.slots), ExitStack() as begun:
            self._pool = self._forks(begun) if can_fork() else self._spawned(begun)
            self._begun = begun.pop_all()

    def _forks(self, begun: ExitStack) -> ProcessPoolExecutor:
        """A pool whose workers all start now, before it has a thread, which forks would lack."""
        begun.enter_context(sharing_memory())
        inherited = open_files()
        context = multiprocessing.get_context("fork")
        watched, lifeline = context.Pipe(duplex=False)
        start = (self._source, watched, lifeline, inherited)
        pool = self._pool_of(context, begun, lifeline, _start_fork, start)
        with without_interrupts(), unwarned():
            pool.submit(int)
        return pool

    def _spawned(self, begun: ExitStack) -> ProcessPoolExecutor:
        context = _context()
        _import_what_workers_need(context)
        handle, images = begun_file(Path(tempfile.gettempdir()) / IMAGES)
        begun.callback(end_file, handle, images)
        try:
            write_source(self._source, images)
        except OSError as error:
            error.filename = error.filename or str(images)
            raise
        watched, lifeline = context.Pipe(duplex=False)
        start = (str(images), watched, dict(os.environ))
        return self._pool_of(context, begun, lifeline, _start_worker, start)

    def _pool_of(
        self,
        context: BaseContext,
        begun: ExitStack,
        lifeline: Connection,
        initializer: Callable[..., None],
        initargs: tuple[Any, ...],
    ) -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(self.slots, context, initializer, initargs)
        begun.callback(_shut_down, pool)
        begun.callback(lifeline.close)
        return pool

    def _restart(self, more: list[TrialSpec]) -> None:
        """Run what was in flight again on half the workers."""
        lost = [*self._in_flight.values(), *more]
        self.close()
        self._in_flight.clear()
        if self.slots == 1:
            # One worker takes trials in their order.
            raise WorkFailed(
                "a worker process must live until its trial is finished, got one that died "
                f"(killed, or out of memory) with {lost[0].normalization}, seed {lost[0].seed}. "
                "Use a smaller batch or model, or --workers 1."
            )
        self.slots //= 2
        warnings.warn(
            f"a worker process died (killed, or out of memory); going on with {self.slots}",
            RuntimeWarning,
            stacklevel=2,
        )
        self._start()
        for spec in lost:
            self.submit(spec)


def _shut_down(pool: ProcessPoolExecutor) -> None:
    with suppress(RuntimeError):  # of its thread, where that could not be started
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _without_script(model: str = "") -> Iterator[None]:
    """Start processes that do not run the caller's script again, which they do not need.

    They would, to import what it defines: a script without a main guard would begin the study
    again in every worker, and one from standard input could not be found.
    """
    script = sys.modules["__main__"]
    if not model.startswith("__main__:"):
        sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _context() -> BaseContext:
    """How workers start where they cannot be forks of this process.

    On Linux they are forks of a server that has imported what they need and used none of it;
    elsewhere system libraries do not survive that.

    Returns:
        What starts them.
    """
    if not sys.platform.startswith("linux") or not has_room_for_sockets():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["normscope.studies.executors.preloaded"])
    return context


def _import_what_workers_need(context: BaseContext) -> None:
    """Wait for the fork server, if there is one, while a signal can still end the wait at once.

    It answers nobody until it has imported torch, and signals are held while a worker starts.
    """
    if context.get_start_method() != "forkserver":
        return
    from multiprocessing import forkserver, resource_tracker

    # First: its start unblocks SIGINT, and the server would inherit that.
    resource_tracker.ensure_running()
    with without_interrupts():
        forkserver.ensure_running()
    # A server that has been killed meanwhile is started again with the first worker.
    with suppress(EOFError, ConnectionError), _without_script():
        first = context.Process(target=int)  # pyright: ignore[reportAttributeAccessIssue]
        first.start()
        first.join()


_source_of_this_worker: DecodedSource | None = None


def _start_fork(
    source: DecodedSource, watched: Connection, lifeline: Connection, inherited: dict[int, File]
) -> None:
    global _source_of_this_worker  # noqa: PLW0603 - the pool offers a worker no other memory
    leave_parent_behind(inherited)
    lifeline.close()
    threading.Thread(target=_die_with_parent, args=(watched,), daemon=True).start()
    _source_of_this_worker = source


def _start_worker(images: str, watched: Connection, environment: dict[str, str]) -> None:
    global _source_of_this_worker  # noqa: PLW0603 - likewise
    # The server that this is a fork of may have started before these were set.
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, args=(watched, images), daemon=True).start()
    try:
        _source_of_this_worker = read_source(images)
    except FileNotFoundError:
        os._exit(1)  # the study has ended by now


def _die_with_parent(watched: Connection, images: str | None = None) -> None:
    try:
        watched.recv()
    except (EOFError, OSError):
        # A killed parent cannot remove the file itself.
        if images:
            Path(images).unlink(missing_ok=True)
        os._exit(1)


def _run(spec: TrialSpec) -> TrialResult:
    from normscope.trials.running import run_trial

    assert _source_of_this_worker is not None
    return run_trial(spec, _source_of_this_worker)
