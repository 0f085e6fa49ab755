from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import pytest

from normscope import temporary_files
from normscope.errors import WorkFailed
from normscope.images.digits import open_digits
from normscope.studies.executors import processes
from normscope.studies.executors.interrupts import without_interrupts
from normscope.studies.executors.processes import LocalProcesses
from normscope.trials.train import train
from tests.trials.test_train import numbers

MODELS = """
import os
from pathlib import Path
from normscope.models.lenet import LeNet

def dies_once(channels, classes, image_size):
    try:
        Path(os.environ["DIED"]).touch(exist_ok=False)
    except FileExistsError:
        return LeNet(channels, classes, image_size)
    os._exit(9)

def dies_always():
    os._exit(9)
"""


@pytest.fixture
def dying_models(tmp_path, monkeypatch):
    (tmp_path / "dying_models.py").write_text(MODELS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("DIED", str(tmp_path / "died"))


@pytest.fixture
def unforked(monkeypatch):
    """Workers that are no forks of this process, which has other threads."""
    monkeypatch.setattr(processes, "can_fork", lambda: False)


def test_a_worker_that_dies_loses_no_trial(dying_models, few_digits, spec):
    spec = replace(spec, trainer="plain")
    specs = [replace(spec, model="dying_models:dies_once", seed=seed) for seed in range(3)]
    executor = LocalProcesses(few_digits, workers=2)
    try:
        for trial in specs:
            executor.submit(trial)
        with pytest.warns(RuntimeWarning, match="a worker process died .* going on with 1$"):
            finished = [executor.next_finished() for _ in specs]
    finally:
        executor.close()
    assert {trial.spec for trial in finished} == set(specs)
    for trial in finished:
        alone = train(replace(trial.spec, model="lenet"), few_digits)
        assert numbers(trial.result) == numbers(alone)


def test_the_last_worker_that_dies_ends_the_work(dying_models, few_digits, spec):
    executor = LocalProcesses(few_digits, workers=1)
    try:
        executor.submit(replace(spec, model="dying_models:dies_always"))
        with pytest.raises(WorkFailed) as error:
            executor.next_finished()
    finally:
        executor.close()
    assert str(error.value) == (
        "a worker process must live until its trial is finished, got one that died (killed, or out "
        f"of memory) with {spec.normalization}, seed {spec.seed}. Use a smaller batch or model, or "
        "--workers 1."
    )


def test_images_that_a_killed_study_left_are_removed_by_the_next(
    unforked, few_digits, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(temporary_files, "_looked_at", set())
    left = tmp_path / ".images.pickle.normscope-abcd1234.pickle"
    left.touch()
    executor = LocalProcesses(few_digits, workers=1)
    (images,) = tmp_path.glob(".images.pickle.*")
    assert images != left
    temporary_files.remove_leftovers(tmp_path)
    assert images.exists()  # the study still runs
    executor.close()
    assert not list(tmp_path.glob(".images.pickle.*"))


def test_no_room_for_the_workers_images(unforked, few_digits, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(processes, "write_source", refuse)
    with pytest.raises(OSError, match="No space left on device") as error:
        LocalProcesses(few_digits, workers=1)
    assert error.value.filename.startswith(str(tmp_path))
    assert not list(tmp_path.glob(".images.pickle.*"))


SCRIPT = """
import normscope

study = normscope.scan(
    "digits", mean="0.3", std="0.3,0.5", seeds=1, epochs=1, train_images=64, workers=2, out="out"
)
print("trials:", len(study.trials()))
"""


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["script.py", "-"])
def test_a_script_needs_no_guard(tmp_path, name):
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, name],
        cwd=tmp_path,
        input=SCRIPT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "trials: 4\n"


def _dies_at_once(*_):
    os._exit(9)


def test_workers_that_die_as_they_start_end_the_run(unforked, spec, monkeypatch):
    # Their parent would wait for ever to hand over images that no pipe holds.
    monkeypatch.setattr(processes, "_start_worker", _dies_at_once)
    executor = LocalProcesses(open_digits(), workers=2)
    try:
        executor.submit(spec)
        with (
            pytest.warns(RuntimeWarning, match="a worker process died"),
            pytest.raises(WorkFailed, match="must live until its trial is finished"),
        ):
            executor.next_finished()
    finally:
        executor.close()


@pytest.mark.parametrize("error", [EOFError, ConnectionResetError, BrokenPipeError])
def test_workers_whose_server_dies_start_again(unforked, spec, monkeypatch, error):
    def refused(self):
        monkeypatch.undo()
        raise error

    monkeypatch.setattr(ProcessPoolExecutor, "_adjust_process_count", refused)
    executor = LocalProcesses(open_digits(), workers=2)
    try:
        with pytest.warns(RuntimeWarning, match="a worker process died"):
            executor.submit(spec)
        assert executor.next_finished().result.accuracy > 0
    finally:
        executor.close()


COMPANY = """
import threading

threading.Thread(target=threading.Event().wait, daemon=True).start()  # so that nothing is forked
"""


@pytest.mark.thorough
def test_a_killed_run_leaves_no_images_behind(tmp_path):
    script = COMPANY + SCRIPT.replace("epochs=1", "epochs=500").replace("train_images=64, ", "")
    run = subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    try:
        study = tmp_path / "out" / "study.db"
        deadline = time.monotonic() + 120
        while not (study.is_file() and list(tmp_path.glob(".images.pickle.*"))):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(15)
        assert run.poll() is None
    finally:
        run.kill()
        run.wait()
    deadline = time.monotonic() + 30
    while list(tmp_path.glob(".images.pickle.*")):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _variable_and_parent(name):
    return os.environ.get(name), os.getppid(), "normscope.trials.fast.training" in sys.modules


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are spawned elsewhere")
def test_workers_are_forks_of_one_that_has_imported_torch(unforked, few_digits, monkeypatch):
    found = []
    for value in ("one", "two"):
        monkeypatch.setenv("NORMSCOPE_TESTED", value)
        executor = LocalProcesses(few_digits, workers=1)
        try:
            done = executor._pool.submit(_variable_and_parent, "NORMSCOPE_TESTED")
            found.append(done.result(timeout=300))
        finally:
            executor.close()
    (one, parent, loaded), (two, same, _) = found
    assert (one, two) == ("one", "two")  # as it is now, not as it was when that one began
    assert parent == same != os.getpid()
    assert loaded


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_a_worker_that_starts_is_known(number):
    def end(number, _):
        raise KeyboardInterrupt(number)

    before = signal.signal(number, end)
    listening = threading.Event()
    another = threading.Thread(target=listening.wait)  # that may receive it
    another.start()
    known = False
    try:
        with pytest.raises(KeyboardInterrupt) as raised, without_interrupts():
            os.kill(os.getpid(), number)
            time.sleep(0.05)
            known = True
        assert signal.getsignal(number) is end
    finally:
        listening.set()
        another.join()
        signal.signal(number, before)
    assert raised.value.args == (number,)
    assert known


def test_a_signal_while_handlers_are_put_back_lets_none_be_lost_later(monkeypatch):
    def end(number, _):
        raise KeyboardInterrupt(number)

    def put_back(number, handler):
        put(number, handler)
        if (number, handler) == (signal.SIGINT, end):
            end(number, None)  # as if it arrived just now

    put = signal.signal
    before = {number: put(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(signal, "signal", put_back)
    try:
        with pytest.raises(KeyboardInterrupt), without_interrupts():
            pass
        with pytest.raises(KeyboardInterrupt, match=str(int(signal.SIGTERM))):
            signal.raise_signal(signal.SIGTERM)
    finally:
        monkeypatch.undo()
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are spawned elsewhere")
def test_a_signal_does_not_wait_until_torch_is_imported(
    unforked, few_digits, tmp_path, monkeypatch
):
    def never(_sentinel):
        signal.raise_signal(signal.SIGALRM)
        time.sleep(60)

    def end(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, end)
    monkeypatch.setattr("multiprocessing.popen_forkserver.forkserver.read_signed", never)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            LocalProcesses(few_digits, workers=1)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began < 30
    assert list(tmp_path.glob(".images.pickle.*")) == []


BEGUN = """
import multiprocessing
from multiprocessing.forkserver import _forkserver
from pathlib import Path
from normscope.studies.executors import processes

processes._import_what_workers_need(multiprocessing.get_context("forkserver"))
print(Path(f"/proc/{_forkserver._forkserver_pid}/status").read_text())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are spawned elsewhere")
def test_what_workers_are_forked_from_never_hears_of_ctrl_c():
    done = subprocess.run(
        [sys.executable, "-c", BEGUN], capture_output=True, text=True, check=True, timeout=120
    )
    blocked = next(line for line in done.stdout.splitlines() if line.startswith("SigBlk:"))
    assert int(blocked.split()[1], 16) & 1 << (signal.SIGINT - 1)
