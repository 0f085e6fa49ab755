"""What is counted of answers, on answers whose rightness is known."""

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.answers import Answer, listed, record_of, share_table, table
from benchmarks.simulated_studies import SimulatedStudy, simulated_study

EVERYTHING = (0.0, 1.0)


def knowing(study: SimulatedStudy, **changes) -> Answer:
    """The answer of one who knows the truth."""
    world = study.world
    truth = world.components(~study.failed[: world.cells].any(axis=1))
    shares = {n: v / sum(truth.values()) for n, v in truth.items()}
    answer = Answer(
        word=world.verdict(0.002, settled=False),
        sentence="Yes.",
        margin=0.002,
        failing=np.stack([world.failing, world.failing], axis=1),
        smooth=None,
        loss_bound=np.where(world.failing < 1, world.losses(settled=False), np.nan),
        shares={n: (v, v, v) for n, v in shares.items()},
        seconds=0.0,
    )
    return replace(answer, **changes)


@pytest.mark.parametrize("number", [0, 1, 2, 5, 8])
def test_one_who_knows_the_truth_is_right(number):
    study = simulated_study(number)
    record = record_of(study, knowing(study))
    for name in [n[3:] for n in record if n.startswith("of:")]:
        if name in {"exact", "exact sure", "loss", "loss each", "right"} or "share" in name:
            assert record[name] == record["of:" + name]
    assert record["wrong"] == 0
    assert all(abs(v) < 1e-9 for n, v in record.items() if n.startswith("error"))


def test_wrong_words_bounds_and_intervals_are_counted():
    study = simulated_study(1)
    world = study.world
    truths = {world.verdict(0.002, settled) for settled in (False, True)}
    wrong = next(w for w in ("yes", "no", "edges") if w not in truths)
    answer = knowing(study, word=wrong, loss_bound=np.full(len(world.means), -1.0))
    record = record_of(study, answer)
    assert record["wrong"] == 1
    assert record["loss"] == 0
    record["classes"] = ["all"]
    assert f"{wrong}, true is" in listed([record])
    assert "loss bound missed: 1" in listed([record])
    assert "100.0" in table([record])
    assert share_table([record]).count("\n") == 5


def test_not_settled_is_never_wrong():
    study = simulated_study(1)
    record = record_of(study, knowing(study, word="unsettled"))
    assert record["wrong"] == record["definite"] == 0
