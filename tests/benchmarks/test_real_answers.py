from __future__ import annotations

import numpy as np
import pytest
from benchmarks.real_answers import SEEDS, Whole, drawn, judged, possible_words

from normscope.findings.trial_table import TrialTable
from normscope.normalization import Normalization

DATA = Normalization(0.3, 0.35)
AXES = ((0.3, 0.6, 2.5), (0.35, 0.7))
"""A mean of 2.5 lies at the edges."""


def made_up(*, loses: float = 0.0, fails: float = 0.0, at: float) -> Whole:
    """Accuracies of about 0.9 on 400 images of 40 seeds; less, or failures, under one mean."""
    rng = np.random.default_rng(0)
    rows = tuple(Normalization(mean, std) for mean in AXES[0] for std in AXES[1])
    there = np.array([row.mean[0] == at for row in rows])
    chance = np.where(there, 0.9 - loses, 0.9)[:, None, None]
    learned = rng.random((len(rows), 40)) >= np.where(there, fails, 0.0)[:, None]
    correct = rng.random((len(rows), 40, 400)) < np.where(learned[:, :, None], chance, 0.1)
    table = TrialTable(
        normalizations=rows,
        cells=len(rows),
        accuracies=correct.mean(axis=2),
        learned=learned,
        settled=np.ones_like(learned),
        trainings=np.full(len(rows), 40),
        failures=(~learned).sum(axis=1),
        test_images=400,
        correct=correct,
    )
    return Whole(table, DATA, AXES)


@pytest.mark.parametrize(
    ("world", "words"),
    [
        ({"at": 0.6}, {"no"}),
        ({"at": 0.6, "loses": 0.1}, {"yes"}),
        ({"at": 2.5, "loses": 0.1}, {"edges"}),
        ({"at": 2.5, "fails": 0.6}, {"edges"}),
        ({"at": 0.6, "loses": 0.04}, {"yes", "no"}),
    ],
)
@pytest.mark.parametrize("images", [None, 200])
def test_the_rest_tells_which_words_may_be_right(world, words, images):
    whole = made_up(**world)
    studies = [drawn(whole, number, images) for number in range(40)]
    of_all = [s for s in studies if s.table.cells == 6]
    assert of_all
    for study in of_all:
        assert possible_words(study, DATA, 0.04, images=images is not None) <= words
    every = [possible_words(s, DATA, 0.04, images=images is not None) for s in of_all]
    assert set().union(*every) == words


def test_no_training_is_on_both_sides():
    whole = made_up(at=0.6)
    for number in range(20):
        study = drawn(whole, number, 150)
        assert study.table.seeds in SEEDS
        assert study.table.seeds + study.rest.seeds == 40
        assert (study.table.test_images, study.rest.test_images) == (150, 250)
        assert study.table.normalizations == study.rest.normalizations
        assert study.table.normalizations[study.reference] == DATA


def test_a_study_of_a_large_loss_is_answered_and_not_wrong():
    records = [judged(number, made_up(at=0.6, loses=0.15), None) for number in range(12)]
    assert {"yes"} <= {r["word"] for r in records}
    for r in records:
        assert r["word"] in {"unsettled", *r["possible"]}
