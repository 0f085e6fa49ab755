"""How a command ends that is interrupted, or whose output nobody takes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.processes import wait_until

NORMSCOPE = [sys.executable, "-m", "normscope"]


@pytest.fixture
def many_images(tmp_path):
    """So many pixels that counting them takes seconds."""
    path = tmp_path / "many.npy"
    np.lib.format.open_memmap(path, "w+", np.float64, (4000, 256, 256)).flush()
    return path


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
@pytest.mark.parametrize(
    ("number", "status", "sentence"),
    [
        (signal.SIGINT, 130, "normscope: interrupted.\n"),
        (signal.SIGTERM, 143, "normscope: terminated.\n"),
    ],
)
def test_a_signal_ends_it_with_one_sentence(many_images, number, status, sentence):
    with subprocess.Popen(
        [*NORMSCOPE, "stats", str(many_images)], stderr=subprocess.PIPE, text=True
    ) as run:
        wait_until(lambda: many_images.name in Path(f"/proc/{run.pid}/maps").read_text())
        run.send_signal(number)
        _, errors = run.communicate(timeout=60)
    assert (run.returncode, errors) == (status, sentence)


def test_a_signal_while_it_starts_ends_it_likewise(tmp_path):
    # The first module that takes time to import; here it takes for ever.
    (tmp_path / "typer.py").write_text(
        "import pathlib, time\npathlib.Path(__file__).with_name('begun').touch()\ntime.sleep(60)\n",
        encoding="utf-8",
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    with subprocess.Popen(
        [*NORMSCOPE, "--help"], stderr=subprocess.PIPE, text=True, env=environment
    ) as run:
        wait_until((tmp_path / "begun").exists)
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=60)
    assert (run.returncode, errors) == (130, "normscope: interrupted.\n")


SOMEWHERE = """
import os, signal, threading, time, weakref
from normscope import cli
from normscope.cli import app

class Anything: pass

def strike(*_):
    os.kill(os.getpid(), signal.NUMBER)
    time.sleep(0.1)

def release():
    try:
        strike()
    finally:
        threading.Lock().release()

def run(_):
    thing = Anything()
    watch = weakref.ref(thing, strike)
    WHERE
    time.sleep(60)

app.run = run
cli.main()
"""


@pytest.mark.parametrize(
    "where",
    [
        "del thing",  # a finalizer: Python prints what is raised there, and goes on
        "exec('strike()')",  # as of dataclasses: Python would end a module by the signal
        "release()",  # where a lock is about to be taken: its release raises another error
    ],
)
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_it_wherever_it_arrives(tmp_path, name, status, where):
    (tmp_path / "struck.py").write_text(
        SOMEWHERE.replace("NUMBER", name).replace("WHERE", where), encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-m", "struck"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True, text=True, timeout=50,
    )  # fmt: skip
    word = "interrupted" if status == 130 else "terminated"
    assert (done.returncode, done.stderr) == (status, f"normscope: {word}.\n")


def _shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, timeout=60
    )


def test_a_report_is_written_though_nobody_reads_its_answer(tmp_path):
    study = tmp_path / "study"
    normscope = " ".join(NORMSCOPE)
    scan = f"{normscope} scan digits --mean 0 --std 0.5 --seeds 1 --epochs 1 --out {study}"
    _shell(f"{scan} --train-images 200 | true")
    assert {"summary.json", "report.html", "figures"} < {path.name for path in study.iterdir()}
    (study / "report.html").unlink()
    _shell(f"{normscope} report {study} | true")
    assert (study / "report.html").is_file()


def test_closed_standard_output_is_said():
    done = _shell(f"{sys.executable} -m normscope --help >&-")
    assert (done.returncode, done.stderr) == (
        2,
        "normscope: standard output must be open, got it closed. Send it to a file or to "
        "/dev/null.\n",
    )


CLOSED = """
import os, stat, sys
os.close(0)
os.close(2)
sys.argv = ["normscope", "--version"]
from normscope.cli import main
try:
    main()
except SystemExit:
    print([stat.S_ISCHR(os.fstat(number).st_mode) for number in (0, 2)])
"""


def test_no_file_takes_the_place_of_a_closed_standard_stream():
    done = subprocess.run(
        [sys.executable, "-c", CLOSED], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.stdout.splitlines()[-1] == "[True, True]"


def test_a_reader_that_has_enough_is_no_fault():
    done = _shell(f"{sys.executable} -m normscope --help | true")
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full stands for a full disk")
def test_a_full_disk_under_standard_output_is_said():
    done = _shell(f"{sys.executable} -m normscope --help > /dev/full")
    assert done.returncode == 2
    assert done.stderr == (
        "normscope: the output must be writable, got: No space left on device. Free up space, fix "
        "the permissions or choose another place.\n"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full stands for a full disk")
@pytest.mark.parametrize("errors", ["2>/dev/full", "2>&-"])
@pytest.mark.parametrize(
    ("call", "status"),
    [("stats nowhere", 2), ("stats digits --bogus", 2), ("bogus", 2), ("stats digits", 0)],
)
def test_the_status_is_the_same_where_standard_error_takes_nothing(errors, call, status):
    done = _shell(f"{sys.executable} -m normscope {call} {errors}")
    assert done.returncode == status
    assert bool(done.stdout) == (status == 0)
