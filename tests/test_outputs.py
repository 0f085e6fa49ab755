"""Nothing that somebody else wrote is replaced, and nothing that is read."""

from __future__ import annotations

import json
import os
import threading

import numpy as np
import pytest
from safetensors.torch import save_file

from normscope.cli.app import run
from normscope.errors import NormscopeError
from normscope.models.building import build_model
from normscope.writing import check_ours, write_result

SCAN = ["scan", "digits", "--mean", "0.3", "--std", "0.3", "--seeds", "1", "--epochs", "1",
    "--train-images", "64", "--workers", "1"]  # fmt: skip


def _untouched(path, content, call, capsys):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    assert run([str(word) for word in call]) == 2
    assert path.read_bytes() == content
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_an_array_is_not_replaced_by_its_numbers(tmp_path, capsys):
    path = tmp_path / "mine.npy"
    np.save(path, np.eye(8, dtype=np.uint8))
    content = path.read_bytes()
    said = _untouched(path, content, ["stats", path, "--json", path], capsys)
    assert f"{path} must be a new file or an older result of normscope's, got another file" in said


def test_older_numbers_are_replaced(tmp_path):
    np.save(tmp_path / "mine.npy", np.eye(8, dtype=np.uint8))
    target = tmp_path / "a.json"
    for _ in range(2):
        assert run(["stats", str(tmp_path / "mine.npy"), "--json", str(target)]) == 0
    assert json.loads(target.read_text())["images"] == 1


@pytest.mark.parametrize("name", ["report.html", "summary.json"])
def test_a_study_leaves_the_files_of_others_alone(tmp_path, capsys, name):
    content = b"<!doctype html><title>My thesis</title>" if "html" in name else b'{"mine": 1}'
    _untouched(tmp_path / "study" / name, content, [*SCAN, "--out", tmp_path / "study"], capsys)
    assert [path.name for path in (tmp_path / "study").iterdir()] == [name]


def test_a_comparison_is_not_written_over_a_study(tmp_path, capsys):
    for name in "ab":
        assert run([*SCAN, "--out", str(tmp_path / name)]) == 0
    capsys.readouterr()
    store = tmp_path / "a" / "study.db"
    call = ["report", tmp_path / "a", tmp_path / "b", "--out", store]
    _untouched(store, store.read_bytes(), call, capsys)
    page = tmp_path / "both.html"
    for _ in range(2):
        assert run(["report", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(page)]) == 0


def test_weights_are_not_replaced_by_their_folding(tmp_path, capsys):
    path = tmp_path / "w.safetensors"
    save_file(build_model("lenet", channels=1, classes=10, image_size=(28, 28)).state_dict(), path)
    (tmp_path / "again.safetensors").symlink_to(path)
    for out in (path, tmp_path / "again.safetensors"):
        call = ["fold", "lenet", "--norm", "mnist", "--weights", path, "--out", out]
        said = _untouched(path, path.read_bytes(), call, capsys)
        assert "--out must be another file than the one that is read" in said


def test_an_empty_file_is_nobodys(tmp_path):
    (tmp_path / "a.json").write_bytes(b"")
    check_ours(tmp_path / "a.json")
    check_ours(tmp_path / "absent.json")
    write_result(tmp_path / "a.json", '{"answer": "No"}')
    check_ours(tmp_path / "a.json")
    (tmp_path / "b.json").write_text('{"name": "package", "version": 1}')
    with pytest.raises(NormscopeError, match="must be a new file"):
        check_ours(tmp_path / "b.json")


def test_a_pipe_is_written_to_and_not_read(tmp_path):
    np.save(tmp_path / "mine.npy", np.eye(8, dtype=np.uint8))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    assert run(["stats", str(tmp_path / "mine.npy"), "--json", str(pipe)]) == 0
    reader.join(timeout=20)
    assert json.loads(got[0])["images"] == 1
