from __future__ import annotations

from contextlib import ExitStack

import optuna
import pytest
from optuna.storages import RDBStorage

from normscope.studies.options import ScanOptions
from normscope.studies.scan_planning import plan_scan
from tests.fresh_processes import fresh_processes


@pytest.fixture
def quiet_optuna():
    """Optuna tells of no trial, until the test ends."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


@pytest.fixture
def optunas_own():
    """What Optuna itself opens at a URL, closed when the test ends."""
    with ExitStack() as closed:

        def storage(url: str) -> RDBStorage:
            opened = RDBStorage(url)
            closed.callback(opened.engine.dispose)
            return opened

        yield storage


@pytest.fixture
def small_options(tmp_path):
    """A scan of 2 x 3 cells, 2 seeds and one epoch that takes seconds."""
    return ScanOptions(
        mean="0,0.5",
        std="0.1:1:3:log",
        seeds=2,
        epochs=1,
        train_images=100,
        out=tmp_path / "study",
    )


@pytest.fixture
def small_plan(small_options):
    return plan_scan(small_options)


@pytest.fixture(scope="session")
def run_afresh():
    """Runs a script in a process of its own that has imported what trials need."""
    with fresh_processes(
        "normscope.studies.executors.processes",
        "normscope.trials.fast.training",
        "normscope.trials.train",
    ) as run:
        yield run
