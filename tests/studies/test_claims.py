from __future__ import annotations

import time

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from normscope.studies.slot_claims import Claims
from normscope.studies.storage import open_file

SLOTS = ["a", "b"]
UNIT = {"x": FloatDistribution(0, 1)}


@pytest.fixture
def storage(tmp_path):
    opened = open_file(tmp_path / "study.db")
    yield opened.optuna
    del opened  # which closes it


def claims(storage, *, alone=False, grace_seconds=0.2) -> Claims:
    study = optuna.create_study(
        storage=storage, study_name="s", direction="maximize", load_if_exists=True
    )
    return Claims(study, storage, alone=alone, grace_seconds=grace_seconds)


def test_a_slot_is_free_then_taken_then_done(storage):
    mine = claims(storage)
    assert mine.free(SLOTS) == SLOTS
    claim = mine.take("a", {"x": 0.5}, UNIT)
    assert (mine.free(SLOTS), mine.finished(SLOTS)) == (["b"], 0)
    assert mine.finish(claim, 0.9, {"note": {"seed": 1}})
    assert (mine.free(SLOTS), mine.finished(SLOTS)) == (["b"], 1)
    (trial,) = mine.study.trials
    assert (trial.value, trial.params, trial.user_attrs) == (
        0.9, {"x": 0.5}, {"slot": "a", "note": {"seed": 1}},
    )  # fmt: skip


def test_of_two_that_claim_at_once_the_first_number_stands(storage):
    first, second = claims(storage), claims(storage)
    assert first.take("a") is not None
    assert second.take("a") is None  # it had seen the slot free before
    states = [trial.state for trial in first.study.trials]
    assert states == [TrialState.RUNNING, TrialState.FAIL]


def test_a_living_process_keeps_its_slot_and_a_silent_one_loses_it(storage):
    living, silent, other = (claims(storage) for _ in range(3))
    with living.beating():
        kept, lost = living.take("a"), silent.take("b", {"x": 0.25}, UNIT)
        deadline = time.monotonic() + 20
        while not (free := other.free(SLOTS)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert free == ["b"]
        assert other.last_params("b", ["x"]) == {"x": 0.25}
        assert other.last_params("a", ["x"]) is None
        again = other.take("b", {"x": 0.25}, UNIT)
        assert not silent.finish(lost, 0.1, {})  # it was alive after all, and too late
        assert other.finish(again, 0.2, {})
        assert living.finish(kept, 0.3, {})
    assert sorted(t.value for t in other.study.get_trials(states=(TrialState.COMPLETE,))) == [
        0.2, 0.3,
    ]  # fmt: skip


def test_alone_what_runs_is_dead(storage):
    claims(storage).take("a")
    assert claims(storage, alone=True).free(SLOTS) == SLOTS


def test_what_is_left_is_closed_at_the_end(storage):
    mine = claims(storage, alone=True)
    with pytest.raises(KeyboardInterrupt), mine.beating():
        mine.take("a")
        raise KeyboardInterrupt
    assert [trial.state for trial in mine.study.trials] == [TrialState.FAIL]
    assert claims(storage).free(SLOTS) == SLOTS
