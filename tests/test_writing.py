from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from normscope import temporary_files, writing
from normscope.temporary_files import begun_file, end_file, remove_leftovers
from normscope.writing import replacing, write_text


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "summary.json"
    write_text(path, "old")
    write_text(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["summary.json"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "summary.json"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_text("half", encoding="utf-8")
        _ = 1 / 0
    assert path.read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["summary.json"]


def test_a_device_or_a_pipe_is_written_to_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(pipe, "through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


WRITING = """
import pathlib, sys, time
from normscope.writing import replacing
with replacing(pathlib.Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print(temporary.name, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def writer(tmp_path):
    """A process in the middle of writing a picture, and its file's name."""
    call = [sys.executable, "-c", WRITING, str(tmp_path / "map.png")]
    process = subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
    yield process, tmp_path / process.stdout.readline().strip()
    process.kill()
    process.communicate()


def test_what_a_killed_process_left_is_removed_by_the_next_write(writer, tmp_path, monkeypatch):
    monkeypatch.setattr(temporary_files, "_looked_at", set())
    process, temporary = writer
    assert temporary.read_text() == "half"
    write_text(tmp_path / "summary.json", "{}")
    assert temporary.exists()  # it is being written
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    write_text(tmp_path / "summary.json", "{}")
    assert temporary.exists()  # a folder is looked at once
    temporary_files._looked_at.clear()
    write_text(tmp_path / "summary.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]


def test_only_our_own_leftovers_are_removed(tmp_path):
    left = tmp_path / ".map.png.normscope-abc_1234.png"
    others = [
        ".map.png.abcd1234.png", "map.png.normscope-abcd1234.png", ".normscope-abcd1234.png",
        ".map.png.normscope-ABCD1234.png", ".map.png.normscope-abcd12345.png", ".a.normscope-",
    ]  # fmt: skip
    for name in [left.name, *others]:
        (tmp_path / name).write_text("mine")
    (tmp_path / ".a.b.normscope-abcd1234").mkdir()
    target = tmp_path / "precious"
    target.write_text("mine")
    (tmp_path / ".b.png.normscope-abcd1234.png").symlink_to(target)
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *others, "precious", ".a.b.normscope-abcd1234", ".b.png.normscope-abcd1234.png",
    }  # fmt: skip
    remove_leftovers(tmp_path / "none")


def test_a_file_that_was_taken_for_a_leftover_is_begun_again(tmp_path, monkeypatch):
    open_new = temporary_files._open_new
    begun = []

    def taken_at_once(name):
        handle = open_new(name)
        begun.append(name)
        if len(begun) == 1:
            name.unlink()
        return handle

    monkeypatch.setattr(temporary_files, "_open_new", taken_at_once)
    write_text(tmp_path / "a.json", "whole")
    assert len(begun) == 2
    assert (tmp_path / "a.json").read_text() == "whole"


def test_a_name_that_is_taken_is_not_written_over(tmp_path, monkeypatch):
    drawn = iter([b"aaaa", b"aaaa", b"bbbb"])
    monkeypatch.setattr(temporary_files.os, "urandom", lambda _: next(drawn))
    (handle, first), (other, second) = (begun_file(tmp_path / "a.json") for _ in range(2))
    assert (first.name, second.name) == (
        ".a.json.normscope-61616161.json", ".a.json.normscope-62626262.json",
    )  # fmt: skip
    end_file(handle, first)
    end_file(other, second)
    assert not list(tmp_path.iterdir())


def test_what_an_interruption_cuts_off_at_once_is_removed_at_the_end(tmp_path):
    script = (
        "import pathlib, signal, sys\n"
        "from normscope import temporary_files, writing\n"
        "def interrupted(handle):\n"
        "    raise KeyboardInterrupt\n"
        "temporary_files._lock = interrupted\n"
        "writing.write_text(pathlib.Path(sys.argv[1]), 'half')\n"
    )
    call = [sys.executable, "-c", script, str(tmp_path / "a.json")]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.stderr.endswith("KeyboardInterrupt\n")
    assert not list(tmp_path.iterdir())


def test_a_disk_without_locks_is_written_and_never_cleaned(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(temporary_files.fcntl, "flock", refuse)
    left = tmp_path / ".map.png.normscope-abc_1234.png"
    left.touch()
    remove_leftovers(tmp_path)
    write_text(tmp_path / "a.json", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [left.name, "a.json"]


def test_a_pipe_is_written_to_where_somebody_reads_it(tmp_path, monkeypatch):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setattr(writing, "READER_SECONDS", 0.1)
    with pytest.raises(OSError, match="a pipe that nobody reads") as error:
        writing.write_text(pipe, "text")
    assert error.value.filename == str(pipe)
    with ThreadPoolExecutor() as threads:
        monkeypatch.setattr(writing, "READER_SECONDS", 20)
        read = threads.submit(pipe.read_text, encoding="utf-8")
        writing.write_text(pipe, "text")
        assert read.result(20) == "text"
    assert pipe.is_fifo()
