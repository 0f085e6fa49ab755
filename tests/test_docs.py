"""The commands and code of README and site run, local links lead somewhere, and the site builds."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import normscope
from normscope.cli.app import COMMANDS as COMMAND_NAMES
from normscope.cli.app import run

ROOT = Path(__file__).parents[1]
PAGES = [path for pattern in ("*.md", "docs/**/*.md") for path in sorted(ROOT.glob(pattern))]


def blocks(language: str, page: Path = ROOT / "README.md") -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def empty_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("readme")


# Each once; what stands in two calls of one page goes on with the first's study.
COMMANDS = dict.fromkeys(
    line
    for page in PAGES
    for block in blocks("sh", page)
    for line in block.splitlines()
    if line.startswith("normscope ")
)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_run(command, empty_folder, monkeypatch):
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


def test_the_references_code_runs(tmp_path, monkeypatch, capsys):
    (code,) = blocks("python", ROOT / "docs/reference/python.md")
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    white, *answers = capsys.readouterr().out.splitlines()
    assert white == "(1.0, 1.0, 1.0)"
    assert [answer[:11] for answer in answers] == ["Not settled"] * 2


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_local_links_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    paths = [page.parent / target for target in targets]
    # The site makes pages of notebooks.
    missing = [p for p in paths if not (p.exists() or p.with_suffix(".ipynb").exists())]
    assert missing == []


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("material", reason="mkdocs-material is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    commands = (tmp_path / "site/reference/commands.html").read_text(encoding="utf-8")
    assert all(f"normscope {name}" in commands for name in COMMAND_NAMES)
    # Help is no Markdown, though it stands in it: its stars are no emphasis.
    assert "such as '*_rgb.png' or 'images/*'" in commands
    assert '<code><span class="option">--strict</span></code>' in commands
    python = (tmp_path / "site/reference/python.html").read_text(encoding="utf-8")
    values = {"NormscopeError", "SearchStudy", "SearchSummary", "Study", "Summary"}
    public = set(normscope.__all__) - {"__version__"}
    assert {name for name in public if f"normscope.{name}" in python or name in values} == public
    # Examples of docstrings are code.
    assert "<blockquote>" not in python
    assert "Convert a number or string to an integer" not in python
    # Nothing is fetched from elsewhere when it is read.
    fetched = re.findall(r'(?:src|href)="(https?://[^"]+\.(?:js|css|woff2?))"', python)
    assert fetched == []
