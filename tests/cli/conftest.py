"""A study whose report is kept, for what asks for it again."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from normscope.cli.app import run
from normscope.reports import writing
from normscope.studies.study import Study


class Drawn:
    """Stands for a figure."""

    def __init__(self, numbers):
        self._numbers = numbers

    def savefig(self, path, dpi):
        path.write_text(f"{type(self._numbers)} {dpi}")


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """Where a study lies that was reported once, or will."""
    return tmp_path_factory.mktemp("reported") / "study"


@pytest.fixture
def folder(reported, made_study, tmp_path, monkeypatch):
    """A study in which a report is kept, with pictures that take no time to draw."""
    for picture in ("accuracy_map.draw_accuracy_map", "best_cells.draw_best_cells"):
        monkeypatch.setattr(f"normscope.figures.{picture}", Drawn)
    if not reported.exists():
        made = made_study("0,0.5", "0.5,1", np.arange(12).reshape(2, 2, 3) / 12)
        Study.create(reported, made.specification).adopt(made.trials())
        assert run(["report", str(reported)]) == 0
    return Path(shutil.copytree(reported, tmp_path / "study"))


@pytest.fixture
def said(capsys):
    """What a report prints."""

    def ask(*arguments, status=0):
        assert run(["report", *map(str, arguments)]) == status
        return capsys.readouterr()

    return ask


@pytest.fixture
def reads(monkeypatch):
    """How often a study was read, and not what was kept of it."""
    read, counted = writing.read_summary, []
    monkeypatch.setattr(
        writing, "read_summary", lambda *given: counted.append(given) or read(*given)
    )
    return counted
