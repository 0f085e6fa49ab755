"""What stands on the screen: pipes, terminals without colour, narrow ones, completion."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from rich.table import Table

from normscope.cli.app import run
from normscope.cli.output import note_skipped, show
from normscope.images.decoded import Skipped

COMMAND = [sys.executable, "-m", "normscope"]
NUMBER = re.compile(r"\d+\.\d+|\d+")


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for group in ("here", "there"):
        (folder / group).mkdir(parents=True)
        rng = np.random.default_rng(len(group))
        for number in range(3):
            pixels = rng.integers(0, 256, (9, 8, 3), np.uint8)
            Image.fromarray(pixels).save(folder / group / f"{number}.png")
    return folder


def _called(*arguments, encoding="utf-8", **environment):
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, encoding=encoding, check=True,
        env={**os.environ, **environment},
    )  # fmt: skip
    return done.stdout


def _on_a_terminal(*arguments, **environment):
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    bare = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "COLUMNS"}}
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdout=theirs, stderr=theirs, stdin=theirs,
        env={**bare, "COLUMNS": "80", "TERM": "xterm-256color", **environment},
    ):  # fmt: skip
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux says so that the other end is closed.
                break
            if not part:
                break
            written += part
    os.close(ours)
    return written.decode()


@pytest.mark.parametrize("arguments", [["--help"], ["stats"]], ids=["help", "stats"])
def test_a_pipe_gets_no_escape_sequences(photos, arguments):
    arguments = [*arguments, photos] if arguments == ["stats"] else arguments
    assert "\x1b" not in _called(*arguments, TERM="xterm-256color")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_an_encoding_lacks_is_written_otherwise(photos, encoding):
    named = photos / "\u00e9\u65e5.png"
    shutil.copy(next(photos.rglob("*.png")), named)
    said = _called("stats", named, encoding=encoding, PYTHONIOENCODING=encoding)
    assert "\\u65e5.png: 1 image" in said
    said = _called("stats", photos, encoding=encoding, PYTHONIOENCODING=encoding)
    assert {"ascii": " +- ", "cp1252": " \xb1 "}[encoding] in said


@pytest.mark.parametrize("arguments", [["--help"], ["stats"]], ids=["help", "stats"])
def test_colours_are_left_out_where_that_is_asked_for(photos, arguments):
    arguments = [*arguments, photos] if arguments == ["stats"] else arguments
    coloured = re.compile(r"\x1b\[[\d;]*3\d[\d;]*m")
    assert not coloured.search(_on_a_terminal(*arguments, NO_COLOR="1"))
    assert "\x1b" not in _on_a_terminal(*arguments, TERM="dumb")


def test_the_help_is_coloured_on_a_terminal():
    """Else the test above would prove nothing."""
    assert "\x1b[" in _on_a_terminal("--help")


def test_a_narrow_terminal_gets_every_number(photos, monkeypatch, capsys):
    said = {}
    for columns in ("200", "40"):
        monkeypatch.setenv("COLUMNS", columns)
        assert run(["stats", str(photos), "--by", "folder"]) == 0
        said[columns] = capsys.readouterr().out
    assert "…" not in said["40"]
    assert NUMBER.findall(said["40"])
    assert set(NUMBER.findall(said["40"])) == set(NUMBER.findall(said["200"]))


@pytest.mark.parametrize("columns", [1, 40])
def test_a_narrow_table_has_whole_words(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    table = Table("a word that is rather long", "accuracy", "interval", "drift")
    cells = ["multiplied-by-255", "0.123456", "0.7313713 to 0.89289286", "1.234567"]
    table.add_row(*cells)
    assert Console().width == columns
    show(table, json_target=None)
    said = capsys.readouterr().out
    assert "…" not in said
    for word in " ".join(cells).split():
        assert word in said


def test_a_table_that_fits_is_no_wider_than_the_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    table = Table("what", "said")
    table.add_row("one", "quite a few short words that break well anywhere")
    show(table, json_target=None)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 40


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", "complete -o default -F _normscope_completion normscope"),
        ("zsh", "compdef _normscope_completion normscope"),
        ("fish", "complete --command normscope"),
    ],
)
def test_the_completion_of_every_shell_can_be_shown(shell, line, monkeypatch, capsys):
    # Which shell it runs in is found by looking at its parents.
    monkeypatch.setattr("shellingham.detect_shell", lambda: (shell, f"/bin/{shell}"))
    assert run(["--show-completion"]) == 0
    assert line in capsys.readouterr().out


def test_completion_names_commands_and_options():
    asked = {"_NORMSCOPE_COMPLETE": "complete_bash", "COMP_CWORD": "1"}
    code = "import sys, normscope.cli as c; sys.argv = ['normscope']; c.main()"

    def completed(words, at):
        environment = {**os.environ, **asked, "COMP_WORDS": words, "COMP_CWORD": at}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment
        )
        return done.stdout.split()

    assert completed("normscope au", "1") == ["audit"]
    assert completed("normscope audit --fai", "2") == ["--fail-over"]


def test_an_unreadable_image_of_a_long_name_is_listed_in_short(capsys):
    note_skipped([Skipped(Path("\x1b[2J" * 3000), "not an image")])
    line = capsys.readouterr().err.splitlines()[1]
    assert line.isprintable()
    assert line.startswith("  \\x1b[2J")
    assert line.endswith("[2J: not an image")
    assert len(line) == 4000
