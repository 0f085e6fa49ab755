"""The command on a page gives the same study again."""

from __future__ import annotations

import shlex

import pytest

from normscope.cli.app import run
from normscope.errors import NormscopeError
from normscope.reports.commands import scan_command, search_command
from normscope.studies.options import ScanOptions, SearchOptions
from normscope.studies.scan_planning import plan_scan
from normscope.studies.search import plan_search

SEARCHES = [
    SearchOptions(over=["mean=-1:2", "std=0.05:1:log"], trials=7, sampler="qmc", seed=3),
    SearchOptions(preset="lenet-init", at=["lr=0.5"], epochs=2, train_images=300, replicates=2),
    SearchOptions(
        over=["std=0.1:1:log"], at=["weight-init=2.5"], norm="0.3/0.2", model="lenet-bn",
        batchnorm=False, resize=32, crop=28, channels="rgb", precision="fp32", threads=2,
    ),
]  # fmt: skip

SCANS = [
    ScanOptions(mean="0,0.5", std="0.1:1:3:log", seeds=2, weight_init=2.0, train_images=200),
    ScanOptions(
        model="resnet20", recipe="resnet-scratch", epochs=1, padding="after", channels="rgb",
        mean_r="0,1", norm="half", resize=32,
    ),
]  # fmt: skip


class Planned(NormscopeError):
    pass


@pytest.fixture
def planned(monkeypatch):
    """Runs a command up to its plan, and gives the plan's specification."""
    seen = []

    def stop(plan, *_rest):
        seen.append(plan.specification)
        raise Planned("planned. That is enough.")

    monkeypatch.setattr("normscope.studies.search.run_search", stop)
    monkeypatch.setattr("normscope.studies.scan.run_scan", stop)

    def call(line):
        program, *arguments = shlex.split(line)
        assert program == "normscope"
        assert run(arguments) == 2
        return seen.pop()

    return call


@pytest.mark.parametrize("options", SEARCHES)
def test_a_search_is_repeated(options, planned):
    specification = plan_search(options).specification
    assert planned(search_command(specification)) == specification


@pytest.mark.parametrize("options", SCANS)
def test_a_scan_is_repeated(options, planned):
    specification = plan_scan(options).specification
    assert planned(scan_command(specification)) == specification
