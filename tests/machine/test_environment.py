from __future__ import annotations

import subprocess

import torch

from normscope import __version__
from normscope.machine.cores import available_cores
from normscope.machine.environment import describe_environment, git_commit


def test_describes_versions_and_hardware():
    described = describe_environment("cpu")
    assert described["normscope"] == __version__
    assert described["torch"] == torch.__version__
    assert described["cores"] == available_cores() >= 1
    assert described["processor"]
    assert "gpu" not in described


def test_commit_of_a_checkout(tmp_path):
    assert git_commit(tmp_path) is None

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        return subprocess.run(
            ["git", "-C", tmp_path, *identity, *arguments],
            check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip

    git("init", "-q")
    (tmp_path / "file").write_text("a", encoding="utf-8")
    git("add", ".")
    git("commit", "-qm", "first")
    commit = git("rev-parse", "HEAD")
    assert git_commit(tmp_path) == commit
    (tmp_path / "file").write_text("b", encoding="utf-8")
    assert git_commit(tmp_path) == f"{commit}-dirty"


def test_no_commit_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit(tmp_path) is None
