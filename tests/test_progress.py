"""Who is told how far a work is: the caller's function, a person at a shell, or nobody."""

from __future__ import annotations

import subprocess
import sys
import threading
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import normscope
from normscope import progress
from normscope.progress import is_interactive, watched


@pytest.fixture
def notebook(monkeypatch):
    """IPython as a kernel has it: what is displayed is kept, and can be replaced."""
    displays: list[list[str]] = []

    class Handle:
        def __init__(self, first):
            displays.append([first])

        def update(self, html):
            displays[-1].append(html)

    def display(html, *, display_id):
        assert display_id
        return Handle(html)

    ipython = ModuleType("IPython")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())
    shown = ModuleType("IPython.display")
    shown.HTML, shown.display = str, display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    clock = iter(np.arange(0, 1000, 0.5))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    return displays


def test_a_notebook_has_a_bar_that_goes_away(notebook):
    with watched(None, "trials") as tell:
        for done in range(4, 9):
            tell(done, 10)
    # Nothing for a second after the first count; then two new trials of six have taken 1 s.
    assert notebook == [
        [
            '<progress max="10" value="6"></progress> 6 of 10 trials, about 2 s left',
            '<progress max="10" value="7"></progress> 7 of 10 trials, about 2 s left',
            '<progress max="10" value="8"></progress> 8 of 10 trials, about 1 s left',
            "",
        ]
    ]


def test_short_work_shows_nothing_in_a_notebook(notebook):
    with watched(None, "trials") as tell:
        tell(10, 10)
    assert notebook == []


def test_what_has_no_known_end_is_counted(notebook):
    with watched(None, "images") as tell:
        for done in (0, 1000, 2000):
            tell(done, None)
    assert notebook[0][-2] == "<progress></progress> 2,000 images"


def test_the_callers_own_function_is_told_in_place_of_a_bar(notebook):
    told = []
    with watched(lambda *pair: told.append(pair), "trials") as tell:
        for done in range(9):
            tell(done, 10)
    assert told == [(done, 10) for done in range(9)]
    assert notebook == []


def test_functions_show_how_far_they_are(notebook, monkeypatch):
    images = [np.zeros((3, 4, 4), np.uint8)] * 5
    normscope.stats(images, workers=1)
    assert notebook == []  # within a second
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0)
    normscope.stats(images, workers=1)
    assert notebook == [['<progress max="5" value="5"></progress> 5 of 5 images', ""]]


def test_a_script_is_silent(capfd):
    assert not is_interactive()
    with watched(None, "trials") as tell:
        tell(1, 2)
    assert capfd.readouterr() == ("", "")


def test_an_interactive_python_that_is_piped_is_not_disturbed():
    code = "import normscope, numpy as np\nnormscope.stats(np.zeros((9, 1, 4, 4), 'uint8'))\n"
    done = subprocess.run(
        [sys.executable, "-i", "-q"], input=code, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("<CollectionStatistics: mean 0, std 0; array: 9 images")
    assert done.stderr.replace(">>> ", "").strip() == ""


def test_a_bar_draws_from_a_thread_only_once_something_is_counted(monkeypatch, capfd):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as if standard error were a terminal
    monkeypatch.delenv("NO_COLOR", raising=False)
    before = threading.active_count()
    with progress.progress("trials") as tell:
        assert threading.active_count() == before
        tell(3, 10)
        assert threading.active_count() == before + 1
        assert "trials" in capfd.readouterr().err


def test_a_log_has_lines_now_and_then(monkeypatch, capfd):
    clock = iter(np.arange(8000.0))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    with progress.progress("trials") as tell:
        for done in range(100, 8001):
            tell(done, 8000)
    said = capfd.readouterr().err.splitlines()
    assert said[:3] == [
        "trials: 130 of 8,000 after 30 s, about 2.2 h left",
        "trials: 160 of 8,000 after 60 s, about 2.2 h left",
        "trials: 190 of 8,000 after 90 s, about 2.2 h left",
    ]
    assert len(said) < 50
    assert said[-1].endswith("left")


def test_short_work_leaves_logs_alone(capfd):
    with progress.progress("images") as tell:
        for done in range(10):
            tell(done, 9)
    assert capfd.readouterr().err == ""


def test_a_log_counts_what_has_no_known_end(monkeypatch, capfd):
    clock = iter([0.0, 45.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    with progress.progress("images") as tell:
        tell(1, None)
        tell(12_000, None)
    assert capfd.readouterr().err == "images: 12,000 after 45 s\n"


def test_what_came_before_the_first_count_is_no_part_of_the_speed(monkeypatch, capfd):
    clock = [600.0]  # after ten minutes of decoding
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with progress.progress("epochs") as tell:
        for done in range(3):
            tell(done, 30)
            clock[0] += 60
    assert capfd.readouterr().err.splitlines() == [
        "epochs: 1 of 30 after 60 s, about 29 min left",
        "epochs: 2 of 30 after 2 min, about 28 min left",
    ]
