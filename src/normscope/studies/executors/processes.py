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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import WorkFailed
from normscope.studies.executors.executor import Executor
from normscope.studies.executors.shared_source import read_source, write_source
from normscope.temporary_files import begun_file, end_file
from normscope.trials.result import FinishedTrial

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import BaseContext

    from normscope.images.decoded import DecodedSource
    from normscope.trials.result import TrialResult
    from normscope.trials.spec import TrialSpec


IMAGES = "images.pickle"
"""The name of which a temporary one is made: a study that is killed before a worker could watch
over the file leaves it, and the next study on this machine removes it."""


class LocalProcesses(Executor):
    """An executor over a pool of processes that each hold the images.

    The workers die with this process, however it ends: each watches a pipe whose other end only
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
            # Submitting may start a worker, which Ctrl-C must not reach before it ignores it.
            with _without_interrupts(), _without_script(spec.model):
                self._in_flight[self._pool.submit(_run, spec)] = spec
        except (BrokenProcessPool, EOFError, ConnectionError):
            # The last two where what workers are forked from has been killed.
            self._restart([spec])

    def next_finished(self) -> FinishedTrial:
        """Wait for a submitted trial to finish.

        Returns:
            The first to finish.

        Raises:
            WorkFailed: If the last worker died as well, for example for want of memory.
        """
        while True:
            done, _ = wait(self._in_flight, return_when=FIRST_COMPLETED)
            future = done.pop()
            try:
                result = future.result()
            except BrokenProcessPool:
                self._restart([])
                continue
            return FinishedTrial(self._in_flight.pop(future), result)

    def close(self) -> None:
        """Stop every worker at once; one in the middle of a trial is cut off."""
        if self._in_flight:
            self._lifeline.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._lifeline.close()
        self._remove_images()

    def _start(self) -> None:
        context = _context()
        _import_what_workers_need(context)
        self._handle, self._images = begun_file(Path(tempfile.gettempdir()) / IMAGES)
        try:
            write_source(self._source, self._images)
        except BaseException as error:
            self._remove_images()
            if isinstance(error, OSError):
                error.filename = error.filename or str(self._images)
            raise
        watched, self._lifeline = context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(
            self.slots,
            context,
            initializer=_start_worker,
            initargs=(str(self._images), watched, dict(os.environ)),
        )

    def _remove_images(self) -> None:
        end_file(self._handle, self._images)
        self._handle = None

    def _restart(self, more: list[TrialSpec]) -> None:
        """Run what was in flight again on half the workers."""
        lost = [*self._in_flight.values(), *more]
        self.close()
        self._in_flight.clear()
        if self.slots == 1:
            raise WorkFailed(
                "a worker process must live until its trial is finished, got one that died "
                "(killed, or out of memory). Use a smaller batch or model, or --workers 1."
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


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until a worker that is being started is known to the pool.

    What they raise would leave one behind that nobody ends. Blocking them is not enough: another
    thread may receive them, and Python then calls the handler in this one all the same. But what
    is blocked here never reaches a process that is started meanwhile.
    """
    arrived: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handled = {int(n): handler for n, handler in before.items() if callable(handler)}
    if threading.current_thread() is not threading.main_thread():
        handled.clear()  # handlers run, and are set, in the main thread alone
    waiting = True

    def noted(number: int, frame: types.FrameType | None) -> None:
        # An interruption may leave it in place.
        if waiting:
            arrived.append(number)
        else:
            handled[number](number, frame)

    try:
        for number in handled:
            signal.signal(number, noted)
        if hasattr(signal, "pthread_sigmask"):
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                yield
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        else:
            yield
    finally:
        waiting = False
        for number, handler in handled.items():
            signal.signal(number, handler)
        for number in arrived:
            signal.raise_signal(number)


@contextmanager
def _without_script(model: str = "") -> Iterator[None]:
    """Start processes that do not run the caller's script again, which they do not need.

    They would, to import what it defines: a script without a main guard would so begin the study
    once more in every worker, and one from standard input could not be found.
    """
    script = sys.modules["__main__"]
    if not model.startswith("__main__:"):
        sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _context() -> BaseContext:
    """How workers begin: not as forks of this process.

    A fork of a process that has used OpenMP threads can hang, and would inherit the lock on the
    study's folder. On Linux they are forks of one that has imported what they need and has used
    nothing of it; elsewhere system libraries do not bear that.

    Returns:
        What starts them.
    """
    if not sys.platform.startswith("linux"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["normscope.studies.executors.preloaded"])
    return context


def _import_what_workers_need(context: BaseContext) -> None:
    """Wait for the server of forks, where there is one, while a signal still ends that at once.

    It answers nobody until it has imported torch, and a worker's start waits with signals held.
    """
    if context.get_start_method() != "forkserver":
        return
    from multiprocessing import forkserver, resource_tracker

    # First, as it lets signals through once it has begun, and the server inherits that.
    resource_tracker.ensure_running()
    with _without_interrupts():
        forkserver.ensure_running()
    # One that has been killed meanwhile is begun anew with the first worker.
    with suppress(EOFError, ConnectionError), _without_script():
        first = context.Process(target=int)  # pyright: ignore[reportAttributeAccessIssue]
        first.start()
        first.join()


_source_of_this_worker: DecodedSource | None = None


def _start_worker(images: str, watched: Connection, environment: dict[str, str]) -> None:
    global _source_of_this_worker  # noqa: PLW0603 - the pool offers a worker no other memory
    # The process that it is a fork of may have begun before these were set.
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, args=(watched, images), daemon=True).start()
    try:
        _source_of_this_worker = read_source(images)
    except FileNotFoundError:
        os._exit(1)  # the study has ended meanwhile


def _die_with_parent(watched: Connection, images: str) -> None:
    try:
        watched.recv()
    except (EOFError, OSError):
        # A parent that was killed cannot remove them itself.
        Path(images).unlink(missing_ok=True)
        os._exit(1)


def _run(spec: TrialSpec) -> TrialResult:
    from normscope.trials.running import run_trial

    assert _source_of_this_worker is not None
    return run_trial(spec, _source_of_this_worker)
