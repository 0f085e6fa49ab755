from __future__ import annotations

from dataclasses import replace

import pytest

from normscope.errors import WorkFailed
from normscope.studies.executors.processes import LocalProcesses
from normscope.trials.train import train
from tests.trials.test_train import numbers

MODELS = """
import os
from pathlib import Path
from normscope.models.lenet import LeNet

def dies_once(channels, classes, image_size):
    try:
        Path(os.environ["DIED"]).touch(exist_ok=False)
    except FileExistsError:
        return LeNet(channels, classes, image_size)
    os._exit(9)

def dies_always():
    os._exit(9)
"""


@pytest.fixture
def dying_models(tmp_path, monkeypatch):
    (tmp_path / "dying_models.py").write_text(MODELS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("DIED", str(tmp_path / "died"))


def test_a_worker_that_dies_loses_no_trial(dying_models, few_digits, spec):
    spec = replace(spec, trainer="plain")
    specs = [replace(spec, model="dying_models:dies_once", seed=seed) for seed in range(3)]
    executor = LocalProcesses(few_digits, workers=2)
    try:
        for trial in specs:
            executor.submit(trial)
        with pytest.warns(RuntimeWarning, match="a worker process died .* going on with 1$"):
            finished = [executor.next_finished() for _ in specs]
    finally:
        executor.close()
    assert {trial.spec for trial in finished} == set(specs)
    for trial in finished:
        alone = train(replace(trial.spec, model="lenet"), few_digits)
        assert numbers(trial.result) == numbers(alone)


def test_the_last_worker_that_dies_ends_the_work(dying_models, few_digits, spec):
    executor = LocalProcesses(few_digits, workers=1)
    try:
        executor.submit(replace(spec, model="dying_models:dies_always"))
        with pytest.raises(WorkFailed) as error:
            executor.next_finished()
    finally:
        executor.close()
    assert str(error.value) == (
        "a worker process must live until its trial is finished, got one that died (killed, or out "
        "of memory). Use a smaller batch or model, or --workers 1; a script must call normscope "
        'under if __name__ == "__main__".'
    )
