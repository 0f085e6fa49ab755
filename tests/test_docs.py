"""The README's commands and code run, and every local link leads somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from normscope.cli.app import run

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [path for pattern in ("*.md", "docs/**/*.md") for path in sorted(ROOT.glob(pattern))]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def empty_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("readme")


COMMANDS = [
    line for block in blocks("sh") for line in block.splitlines() if line.startswith("normscope ")
]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readmes_commands_run(command, empty_folder, monkeypatch):
    monkeypatch.chdir(empty_folder)
    assert run(shlex.split(command)[1:]) == 0


def test_the_readmes_code_runs(empty_folder):
    (code,) = blocks("python")
    (empty_folder / "example.py").write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=empty_folder, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Not settled: two seeds cannot tell luck")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_local_links_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []
