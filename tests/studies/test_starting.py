"""Workers that cannot be started say why: each tried in a fresh process."""

from __future__ import annotations

import sys

import pytest

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="limits and forks of Linux"
)

BEGIN = """
import multiprocessing, os, resource, sys, threading
from concurrent.futures.process import BrokenProcessPool
from normscope.errors import NormscopeError
from normscope.images.digits import open_digits
from normscope.studies.executors import processes
from normscope.studies.executors.opening import worker_count
from normscope.studies.executors.processes import LocalProcesses

def begin(workers=2):
    try:
        executor = LocalProcesses(source, workers)
        print(executor._pool.submit(int).result())
        executor.close()
    except NormscopeError as error:
        print(error.exit_status, error)

source = open_digits()
"""
ADVICE = (
    "Raise the limit (ulimit -n for files, ulimit -u for processes, /dev/shm for shared memory), "
    "or give --workers 1."
)


@pytest.fixture
def said_by(run_afresh, tmp_path):
    """What a script prints, by lines, and its errors."""

    def said(script, folder=tmp_path):
        out, errors = run_afresh(BEGIN + script, folder)
        return out.splitlines(), errors

    return said


FILES = """
most = max(map(int, os.listdir("/proc/self/fd"))) + {free}
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
begin()
"""


@pytest.mark.parametrize("free", [3, 8, 10])
def test_too_many_open_files(said_by, free):
    assert said_by(FILES.format(free=free)) == (
        [f"1 2 worker processes must be able to start, got: Too many open files. {ADVICE}"],
        "",
    )


THREADS = """
def start(self):
    raise RuntimeError("can't start new thread")

threading.Thread.start = start
begin()
"""


def test_too_many_threads(said_by):
    said, _ = said_by(THREADS)
    assert said == [
        f"1 2 worker processes must be able to start, got: can't start new thread. {ADVICE}"
    ]


SHARED = """
from multiprocessing import synchronize

def refused(*_, **__):
    raise OSError(28, "No space left on device")

synchronize.SemLock.__init__ = refused
begin()
"""


def test_no_room_for_shared_memory(said_by):
    said, _ = said_by(SHARED)
    assert said == [
        f"1 2 worker processes must be able to start, got: No space left on device. {ADVICE}"
    ]


DAEMONIC = """
from types import SimpleNamespace

def asked():
    begin()
    trial = SimpleNamespace(device="cpu", threads=1)
    print(worker_count(trial, 5, None, None), worker_count(trial, 5, 2, None), flush=True)

child = multiprocessing.get_context("fork").Process(target=asked, daemon=True)
child.start()
child.join()
"""


def test_a_process_that_may_have_none_works_alone(said_by):
    said, _ = said_by(DAEMONIC)
    assert said == [
        "2 several workers must be asked for by a process that may start others, got a daemonic "
        "one of multiprocessing. Give --workers 1.",
        "1 2",
    ]


def test_the_folder_for_temporary_files_may_have_a_long_name(said_by, tmp_path):
    folder = tmp_path / ("n" * 90)
    folder.mkdir()
    script = """
if __name__ == "__main__":
    threading.Thread(target=threading.Event().wait, daemon=True).start()  # nothing is forked
    begin(1)
"""
    assert said_by(script, folder) == (["0"], "")
