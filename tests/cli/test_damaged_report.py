"""A kept report that is damaged, somebody else's, or cannot be written."""

from __future__ import annotations

import errno
import json
import os

import pytest

from normscope.cli.kept_report import KEPT, kept_report


def into_folder(path):
    path.unlink()
    path.mkdir()


def into_pipe(path):
    path.unlink()
    os.mkfifo(path)


def into_endless_file(path):
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("turn", [into_folder, into_pipe, into_endless_file])
def test_where_nothing_can_be_kept_it_is_made_again(folder, said, reads, turn):
    first = said(folder).out
    turn(folder / KEPT)
    assert said(folder).out == first
    assert said(folder).out == first
    assert len(reads) == 2
    assert not [path.name for path in folder.iterdir() if ".normscope-" in path.name]


def test_a_full_disk_is_no_failure_of_a_report_that_is_written(folder, said, monkeypatch):
    def full(path, text):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    first = said(folder).out
    (folder / KEPT).unlink()
    monkeypatch.setattr("normscope.cli.kept_report.write_numbers", full)
    assert said(folder).out == first


ENOUGH = {"headings": ["a"], "rows": [["1"]], "padding": 1}


@pytest.mark.parametrize(
    "change",
    [
        {"sentences": [1]},
        {"sentences": "text"},
        {"sentences": None},
        {"counts": 1},
        {"tables": None},
        {"tables": [[]]},
        {"tables": [{**ENOUGH, "headings": []}]},
        {"tables": [{**ENOUGH, "headings": "a"}]},
        {"tables": [{**ENOUGH, "rows": [[]]}]},
        {"tables": [{**ENOUGH, "rows": [[1]]}]},
        {"tables": [{**ENOUGH, "rows": [["1", "2"]]}]},
        {"tables": [{**ENOUGH, "padding": 10**9}]},
        {"tables": [{**ENOUGH, "padding": "1"}]},
        {"files": {}},
        {"files": []},
        {"files": {"../summary.json": ""}},
    ],
)
def test_values_of_other_types_are_not_printed(folder, change):
    kept = json.loads((folder / KEPT).read_text())
    assert kept_report(folder, kept["asked"])
    (folder / KEPT).write_text(json.dumps(kept | change))
    assert kept_report(folder, kept["asked"]) is None


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "null", "1" * 10_000, "{}"])
def test_what_is_no_report_is_not_read(folder, text):
    asked = json.loads((folder / KEPT).read_text())["asked"]
    (folder / KEPT).write_text(text)
    assert kept_report(folder, asked) is None


def test_a_file_of_somebody_else_is_left_alone(folder, said, reads):
    first = said(folder).out
    (folder / KEPT).write_text('{"mine": 1}')
    assert said(folder).out == first
    assert (folder / KEPT).read_text() == '{"mine": 1}'
    assert len(reads) == 1


def test_no_text_in_it_acts_on_the_terminal(folder, said):
    said(folder)
    kept = json.loads((folder / KEPT).read_text())
    kept["sentences"] = ["\x1b[2J [red]sentence[/red]"]
    kept["tables"] = [{**ENOUGH, "headings": ["\x1b[2J"], "rows": [["\x1b]0;cell\x07[red]\ud800"]]}]
    kept["counts"] = "\x1b[2J"
    (folder / KEPT).write_text(json.dumps(kept))
    out = said(folder).out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "\\x1b[2J [red]sentence[/red]\n" in out
    assert "\\x1b]0;cell\\x07[red]\\ud800" in out
