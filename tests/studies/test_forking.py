"""Workers that are forks of a process: tried in fresh ones, since pytest's has threads."""

from __future__ import annotations

import _thread
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from normscope.studies.executors import forking
from tests.processes import is_running, wait_until

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="workers are spawned elsewhere"
)


@pytest.fixture
def said_by(run_afresh, tmp_path):
    """What a script prints, by lines."""
    return lambda script: run_afresh(script, tmp_path)[0].split("\n")[:-1]


WORKS = """
import os, signal
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from normscope.studies.executors.processes import LocalProcesses
from normscope.trials.options import TrainOptions
from normscope.trials.preparation import resolve
from normscope.trials.running import run_trial

prepared = resolve(TrainOptions(source="digits", epochs=1, train_images=128, threads=1))
parent = os.getpid()
signal.signal(signal.SIGTERM, lambda *_: None)


def seen():
    links = [link for link in Path("/proc/self/fd").iterdir() if link.exists()]
    locks = [str(link) for link in links if link.readlink().name == "held.lock"]
    handlers = [signal.getsignal(number).name for number in (signal.SIGTERM, signal.SIGINT)]
    return os.getppid() == parent, locks, handlers


with FileLock("held.lock"):
    executor = LocalProcesses(prepared.source, 2)
    print(len(executor._pool._processes), list(Path().glob(".images*")))
    print(executor._pool.submit(seen).result())
    specs = [replace(prepared.trial, seed=seed) for seed in range(3)]
    for spec in specs:
        executor.submit(spec)
    finished = [executor.next_finished() for _ in specs]
    executor.close()
results = {trial.spec: trial.result for trial in finished}
for spec in specs:
    alone = run_trial(spec, prepared.source)
    print(results[spec].correct == alone.correct, results[spec].loss == alone.loss)
"""


def test_forks_give_the_same_results_and_keep_nothing_of_their_parents(said_by):
    assert said_by(WORKS) == [
        "2 []",
        "(True, [], ['SIG_DFL', 'SIG_IGN'])",
        *3 * ["True True"],
    ]


CLOSED = """
import os, sys
from normscope.images.digits import open_digits
from normscope.studies.executors.processes import LocalProcesses

closed = [open(os.devnull) for _ in range(2)]
opened = []


def as_libraries_do():
    # As matplotlib does with the files of fonts.
    for file in closed:
        file.close()
    opened.append(open(sys.executable, "rb"))


def read():
    return opened[0].fileno() in numbers, len(opened[0].read(4))


numbers = [file.fileno() for file in closed]
os.register_at_fork(after_in_child=as_libraries_do)
executor = LocalProcesses(open_digits(), 2)
print(executor._pool.submit(read).result())
executor.close()
"""


def test_forks_bear_libraries_that_close_files_in_them(said_by):
    assert said_by(CLOSED) == ["(True, 4)"]


ANEW = """
import os, select
from normscope.images.digits import open_digits
from normscope.studies.executors.processes import LocalProcesses

polls = [select.epoll()]


def as_event_loops_do():
    number = polls[0].fileno()
    polls[0].close()
    polls.append(select.epoll())
    assert polls[1].fileno() == number


def ready():
    reader, writer = os.pipe()
    polls[1].register(reader)
    os.write(writer, b"1")
    return polls[1].poll(1) == [(reader, select.EPOLLIN)]


os.register_at_fork(after_in_child=as_event_loops_do)
executor = LocalProcesses(open_digits(), 2)
print(executor._pool.submit(ready).result())
executor.close()
"""


def test_forks_bear_event_loops_that_begin_anew_in_them(said_by):
    assert said_by(ANEW) == ["True"]


COMPANY = """
import threading, torch
from normscope.studies.executors.forking import can_fork

alone = threading.Event()
thread = threading.Thread(target=alone.wait)
print(can_fork())
thread.start()
print(can_fork())
alone.set()
thread.join()
print(can_fork())
torch.set_num_threads(2)
torch.ones(2000, 2000) @ torch.ones(2000, 2000)
print(can_fork())
"""


def test_no_fork_where_threads_would_be_missing(said_by):
    assert said_by(COMPANY) == ["True", "False", "True", "False"]


def test_the_thread_of_a_bar_that_is_gone_is_waited_for():
    ending = threading.Thread(target=time.sleep, args=(0.05,))
    before = threading.active_count()
    ending.start()
    forking._have_company()
    assert threading.active_count() == before


def test_a_thread_that_python_has_not_started_is_company_too():
    known, end, numbers = threading.Event(), threading.Event(), []

    def foreign():
        numbers.append(threading.current_thread().ident)  # as logging asks, and so makes it known
        known.set()
        end.wait()

    _thread.start_new_thread(foreign, ())
    try:
        assert known.wait(60)
        assert forking._have_company()
    finally:
        end.set()
        # Before Python 3.13 nothing else does, and later tests would have company.
        threading._active.pop(*numbers, None)


def test_nothing_is_forked_beside_a_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr(forking, "_have_company", lambda: False)
    monkeypatch.delattr(os, "fork")
    assert not forking.can_fork()


PARENTS = """
import os, time, torch
from normscope.images.digits import open_digits
from normscope.studies.executors.processes import LocalProcesses

source = open_digits()
if not all(os.fork() for _ in range(3)):
    executor = LocalProcesses(source, 2)
    print(os.getpid(), *executor._pool._processes, flush=True)
time.sleep(100)
"""


@pytest.fixture(scope="module")
def parents():
    """Three processes, each with the two workers that it has forked."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENTS],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as first:  # fmt: skip
        lines = [first.stdout.readline().split() for _ in range(3)]
        left = [[int(word) for word in line] for line in lines]
        yield left
        for process in (first.pid, *(parent for parent, *_ in left)):
            os.kill(process, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_forks_end_with_their_parent(parents, number):
    parent, *workers = parents.pop()
    assert len(workers) == 2
    assert all(map(is_running, workers))
    os.kill(parent, number)
    wait_until(lambda: not any(map(is_running, (parent, *workers))), 30)
