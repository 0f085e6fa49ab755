"""Pipes and devices keep nobody waiting, and no text fills the memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from normscope import regular_files
from normscope.cli.app import run
from normscope.regular_files import is_special, open_regular, read_text


@pytest.fixture
def pipe(tmp_path):
    def made(name):
        os.mkfifo(tmp_path / name)
        return tmp_path / name

    return made


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "suffix",
    [".npy", ".npz", ".h5", ".fits", ".mat", ".tif", ".tar", ".zip", ".jpg", ".idx", ".idx.gz"],
)
def test_a_source(pipe, capsys, suffix):
    path = pipe("images" + suffix)
    assert run(["stats", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"normscope: source must be a name, a folder or a regular file, got {path}, a pipe or a "
        "device. Keep what it gives in a file.\n"
    )


@pytest.mark.timeout(60)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("place", ["pipe", "/dev/zero", "folder"])
def test_weights(pipe, tmp_path, capsys, suffix, place):
    path = {"pipe": lambda: pipe("w" + suffix), "folder": lambda: tmp_path}.get(
        place, lambda: place
    )()
    assert run(["detect", "lenet", "--images", "digits", "--weights", str(path)]) == 2
    reason = "Is a directory" if place == "folder" else "not a regular file"
    assert capsys.readouterr().err == (
        f"normscope: --weights must be a readable file or 'default', got {path}: {reason}. "
        "Check the path.\n"
    )


@pytest.mark.timeout(60)
@pytest.mark.parametrize("place", ["pipe", "/dev/zero"])
def test_a_specification(pipe, capsys, place):
    path = pipe("study.toml") if place == "pipe" else place
    assert run(["scan", "--spec", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"normscope: {path} must be a readable study.toml, got: not a regular file. "
        "Pass the file that a scan wrote.\n"
    )


@pytest.mark.timeout(60)
@pytest.mark.parametrize("place", ["pipe", "/dev/zero"])
def test_a_table(pipe, class_folders, capsys, place):
    path = pipe("sites.csv") if place == "pipe" else place
    assert run(["stats", str(class_folders), "--by", f"{path}:site"]) == 2
    assert capsys.readouterr().err == (
        f"normscope: --by must name a readable CSV file, got {path}: not a regular file. "
        "Check the path.\n"
    )


@pytest.mark.timeout(60)
def test_a_database(pipe, tmp_path, capsys):
    path = pipe("study.db")
    sentence = (
        f"normscope: {path} must be a database of studies, got a pipe or a device. "
        "Choose another file.\n"
    )
    assert run(["report", str(tmp_path), "--storage", f"sqlite:///{path}"]) == 2
    assert capsys.readouterr().err == sentence
    grid = ["scan", "--mean", "0", "--std", "1", "--seeds", "1", "--out", str(tmp_path)]
    assert run(grid) == 2
    assert capsys.readouterr().err == sentence
    assert run(["report", str(tmp_path), "--storage", "sqlite:////dev/zero"]) == 2
    assert capsys.readouterr().err == sentence.replace(str(path), "/dev/zero")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_what_is_refused_is_closed(tmp_path, pipe):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in (tmp_path, pipe("p"), "/dev/zero"):
        with pytest.raises(OSError, match=r"Is a directory|not a regular file"):
            open_regular(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_text_is_bounded(tmp_path, monkeypatch):
    path = tmp_path / "text"
    path.write_text("grün", encoding="utf-8")
    assert read_text(path) == "grün"
    monkeypatch.setattr(regular_files, "MOST_TEXT_BYTES", 4)
    with pytest.raises(OSError, match=r"a file of more than 4 bytes$"):
        read_text(path)


def test_what_is_special(tmp_path, pipe):
    (tmp_path / "link").symlink_to("/dev/null")
    special = [pipe("p"), "/dev/zero", tmp_path / "link"]
    plain = [tmp_path, __file__, tmp_path / "none", "nul\0"]
    assert [is_special(path) for path in special] == [True] * 3
    assert [is_special(path) for path in plain] == [False] * 4
