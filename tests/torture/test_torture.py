"""A few kills with fixed seeds, and what counts as a fault; ``make torture`` does the rest."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
import uuid

import pytest

from tests.torture.cases import CASES
from tests.torture.contents import contents, timeless
from tests.torture.inputs import make_images
from tests.torture.kills import killed, left_over
from tests.torture.places import full_disk, read_only, refusals
from tests.torture.races import raced
from tests.torture.references import References, Undisturbed
from tests.torture.runs import SHARED_MEMORY, Run, _used, leftovers

CASE = {case.name: case for case in CASES}
QUICK = ["stats", "check", "fold .safetensors"]


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    if not sys.platform.startswith("linux"):
        pytest.skip("processes are looked for in /proc, which only Linux has")
    folder = tmp_path_factory.mktemp("torture")
    make_images(folder / "in")
    found = References(folder, folder / "in")
    yield found
    found.warm.close()


@pytest.mark.thorough
@pytest.mark.parametrize("name", QUICK)
def test_killed_gone_on_with_and_raced(references, tmp_path, name):
    rng, done, faults = random.Random(f"kept {name}"), [], []
    for attempt in range(5):  # a command may end before the moment that was drawn
        done, faults = killed(rng, references, tmp_path / f"k{attempt}", CASE[name])
        if done or faults:
            break
    faults += raced(random.Random(0), references, tmp_path / "r", CASE[name])
    assert done
    assert not faults


@pytest.mark.thorough
@pytest.mark.parametrize("name", QUICK)
def test_a_disk_that_is_full_or_may_only_be_read(references, tmp_path, name):
    if "disk" in refusals():
        pytest.skip(refusals()["disk"])
    assert not full_disk(random.Random(0), references, tmp_path / "full", CASE[name])
    assert not read_only(references, tmp_path / "disk", CASE[name], as_nobody=False)


def test_what_counts_as_a_difference(tmp_path):
    place, case = tmp_path / "place", CASE["stats"]
    case.prepare(place, tmp_path)
    (place / "out" / "n.json").write_text('{"mean": 1, "seconds": 3}')
    whole = contents(place)
    assert whole == {"out/n.json": {"mean": 1}}
    (place / "out" / ".report.json").write_text('{"asked": "a", "files": {}, "counts": ""}')
    assert contents(place).pop("out/.report.json") == {"counts": ""}
    (place / "out" / ".report.json").unlink()
    references = object.__new__(References)
    references._known = {case.name: Undisturbed(1, 1, whole)}
    assert references.torn(case, place) == references.different(case, place) == []
    (place / "out" / ".n.json.normscope-abcd1234.json").write_text("{")
    (place / "tmp" / "left").touch()
    assert leftovers(place) == ["out/.n.json.normscope-abcd1234.json", "tmp/left"]
    (place / "out" / "n.json").write_text('{"mean": 2}')
    (place / "out" / "more.json").write_text("{}")
    assert references.torn(case, place) == ["new: out/more.json", "out/n.json is another"]
    assert references.different(case, place)[-3:] == [
        "out/n.json differs: mean: 2 instead of 1",
        "left over: out/.n.json.normscope-abcd1234.json", "left over: tmp/left",
    ]  # fmt: skip
    shutil.rmtree(place)
    assert timeless([{"time": 1, "a": {"seconds": 2}}]) == [{"a": {}}]


def test_what_a_kill_leaves_is_no_fault_of_the_next_signal(tmp_path):
    lost = set()
    (tmp_path / ".a.png.normscope-abcd1234.png").touch()
    assert left_over(tmp_path, signal.SIGKILL, lost) == []
    assert left_over(tmp_path, signal.SIGTERM, lost) == []
    (tmp_path / ".b.png.normscope-abcd1234.png").touch()
    assert left_over(tmp_path, signal.SIGTERM, lost) == ["left over: .b.png.normscope-abcd1234.png"]


class Ended(Run):
    """A run of another program than normscope, in place of it."""

    def __init__(self, tmp_path, script):
        self._memory, self.signals, self._said = set(), [], tmp_path / "said"
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-c", script], stderr=said, start_new_session=True
            )


@pytest.mark.parametrize(
    ("script", "met"),
    [
        ("raise SystemExit(2)", []),
        ("1 / 0", ["'Traceback' on standard error, signals []"]),
        ("raise SystemExit(9)", ["status 9"]),
        ("import os; os.kill(os.getpid(), 15)", ["status -15"]),
    ],
)
def test_what_counts_as_a_fault(tmp_path, script, met, monkeypatch):
    monkeypatch.setattr("tests.torture.runs.SHARED_MEMORY", tmp_path / "none")
    faults = Ended(tmp_path, script).wait()
    assert len(faults) == len(met)
    assert all(fault.startswith(start) for fault, start in zip(faults, met, strict=True))


def test_a_process_that_is_left_is_found_and_ended(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.torture.runs.SHARED_MEMORY", tmp_path / "none")
    monkeypatch.setattr("tests.torture.runs.ORPHAN_SECONDS", 0.3)
    run = Ended(tmp_path, "import subprocess; subprocess.Popen(['sleep', '300'])")
    (fault,) = run.wait()
    assert fault.startswith("processes left after signals []: ")
    assert "sleep 300" in fault
    deadline = time.monotonic() + 10
    while run.living():  # to die takes a moment
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not run.send(signal.SIGTERM, "main")


SEMAPHORE = """
import sys, _multiprocessing
semaphore = _multiprocessing.SemLock(0, 1, 1, sys.argv[1], False)
print("made", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/shm is Linux's")
def test_a_semaphore_is_left_when_nobody_has_it_open():
    name = f"/normscope-torture-{uuid.uuid4().hex}"
    held = SHARED_MEMORY / f"sem.{name[1:]}"
    call = [sys.executable, "-c", SEMAPHORE, name]
    try:
        with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            assert held.exists()
            assert _used(held.name)
            process.communicate()
        assert not _used(held.name)
    finally:
        held.unlink(missing_ok=True)
