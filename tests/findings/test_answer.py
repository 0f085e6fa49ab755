"""The table of cases: each study has its own right sentence."""

from __future__ import annotations

import numpy as np
import pytest

from normscope.findings.summary import summarize
from normscope.normalization import NONE, Normalization

MEANS, STDS = "-3,0.1,0.2,0.3", "0.3,0.5,0.8"


def study_of(made_study, cells, seeds=12, noise=0.0002, failed=None, **given):
    """Studies of images with mean 0.2 and std 0.5: all but the first mean are usual."""
    rng = np.random.default_rng(0)
    cells = np.asarray(cells, float)
    accuracies = cells[:, :, None] + noise * rng.standard_normal((*cells.shape, seeds))
    return made_study(MEANS, STDS, accuracies, failed=failed, **given)


def even(far=0.97):
    cells = np.full((4, 3), 0.97)
    cells[0] = far
    return cells


def failing(rows, seeds=12, share=0.5):
    failed = np.zeros((4, 3, seeds), bool)
    failed[rows, :, : round(share * seeds)] = True
    return failed


def answer_of(study, **given):
    summary = summarize(study, **given)
    assert len(summary.answer.split()) <= 25
    assert len(summary.reasons) <= 5
    return summary.findings.verdict, summary.answer


def test_nothing_matters(made_study):
    # Twelve trainings in each of three far cells are too few for one in twenty: 20 are not.
    study = study_of(made_study, even(), seeds=20)
    assert answer_of(study, margin=0.01) == (
        "no",
        "No: no choice tried fails or loses more than 0.01; keep what you use.",
    )


def test_few_failures_are_said_where_nothing_matters(made_study):
    failed = np.zeros((4, 3, 20), bool)
    failed[2, 1, 0] = True
    study = study_of(made_study, np.where(failed[:, :, 0], 0.97, even()), seeds=20, failed=failed)
    assert answer_of(study, margin=0.01) == (
        "no",
        "No: no choice tried loses more than 0.01, and few runs fail (1 of 240); "
        "keep what you use.",
    )


def test_trainings_fail_far_off(made_study):
    failed = failing(0)
    study = study_of(made_study, np.where(failed.all(axis=2), 0.1, even()), failed=failed)
    assert answer_of(study, margin=0.01) == (
        "edges",
        "Only at the edges: far from the data's statistics some runs fail; "
        "means 0.1 to 0.3 with stds 0.3 to 0.8 lose at most 0.0027.",
    )
    assert summarize(study).reasons[0] == (
        "Failures (stuck at chance, or diverged): 18 of 144 runs, all with a mean 6.4 or more "
        "stds from the data's; "
        "none of 108 nearer (at most 2.7 %, with 95 % confidence)."
    )


@pytest.mark.parametrize(
    ("seeds", "supposed"), [(2, " if runs that share a seed are independent"), (3, "")]
)
def test_few_seeds_bound_failures_only_if_their_runs_are_independent(made_study, seeds, supposed):
    summary = summarize(study_of(made_study, even(), seeds=seeds))
    assert f", with 95 % confidence{supposed})" in summary.reasons[0]


def test_accuracy_falls_far_off(made_study):
    verdict, answer = answer_of(study_of(made_study, even(0.9)), margin=0.01)
    assert verdict == "edges"
    assert answer == (
        "Only at the edges: far from the data's statistics losses exceed 0.054; "
        "means 0.1 to 0.3 with stds 0.3 to 0.8 lose at most 0.0027."
    )


def test_trainings_fail_near_the_data(made_study):
    failed = failing(1)
    verdict, answer = answer_of(study_of(made_study, even(), failed=failed))
    assert verdict == "yes"
    assert answer == (
        "Yes: even near the data's statistics runs fail, 18 of 36 at the worst; "
        "use the data's statistics (0 of 12 fail)."
    )


def test_runs_that_only_never_left_chance_may_need_longer_training(made_study):
    study = study_of(made_study, even(), failed=failing(1), failure="stuck")
    assert answer_of(study) == (
        "unsettled",
        "Not settled: even near the data's statistics 18 of 36 runs never left chance; "
        "train longer, with more epochs.",
    )


def test_a_usual_choice_loses_and_another_wins(made_study):
    cells = even()
    cells[3, 0] = 0.9
    verdict, answer = answer_of(study_of(made_study, cells))
    assert (verdict, answer[:38]) == ("yes", "Yes: even the usual 0.3/0.3 loses 0.05")
    assert answer.endswith("; use the data's statistics.")
    cells = even() - 0.07
    cells[3, 0] = 0.999
    verdict, answer = answer_of(study_of(made_study, cells))
    assert (verdict, answer[:46]) == ("yes", "Yes: 0.3/0.3 beats the data's statistics by 0.")


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (
            {"seeds": 1},
            "Not settled: one seed cannot tell luck from the normalization; add seeds=5.",
        ),
        (
            {"seeds": 2},
            "Not settled: two seeds cannot tell luck from the normalization; add seeds=5.",
        ),
        (
            {"outcome": None},
            "Not settled: this study does not record which runs failed; "
            "run it again in a new folder.",
        ),
        (
            {"outcome": "still learning"},
            "Not settled: runs had not finished learning; train longer, with more epochs.",
        ),
        (
            {"seeds": 4},
            "Not settled: near the data's statistics none of 36 runs failed, but up to 8 % may; "
            "add survival=7.",
        ),
        (
            {"failed": failing(slice(None), share=1.0)},
            "Not settled: every run failed, so the fault lies elsewhere; "
            "check labels, or train longer.",
        ),
        (
            {"failed": failing(slice(None), share=1.0), "failure": "stuck", "chance": 0.92},
            "Not settled: no run beats the most frequent class alone, 92 % of the test images; "
            "balance the classes, or train longer.",
        ),
        (
            {"failed": failing(slice(None), share=1.0), "chance": 0.92},
            "Not settled: every run failed, so the fault lies elsewhere; "
            "check labels, or train longer.",
        ),
    ],
)
def test_what_is_not_settled_has_its_reason(made_study, given, answer):
    assert answer_of(study_of(made_study, even(), **given)) == ("unsettled", answer)


def test_noise_leaves_a_loss_open(made_study):
    verdict, answer = answer_of(study_of(made_study, even(), noise=0.01), margin=0.002)
    assert verdict == "unsettled"
    assert answer.startswith("Not settled: near the data's statistics a loss of up to 0.0")


def slightly_worse(loss, far=0.97):
    cells = even(far)
    cells[1, 0] -= loss
    return cells


def test_what_only_more_test_images_would_tell_is_answered_by_its_bound(made_study):
    """Of 1,000 images a loss of 8 is neither surely one nor none, whatever seeds are added."""
    for seeds in (20, 60):
        study = study_of(made_study, slightly_worse(0.008), seeds=seeds)
        verdict, answer = answer_of(study)
        assert verdict == "no"
        assert answer == "No: no choice tried fails or loses more than 0.016; keep what you use."
        assert summarize(study).reasons[-1] == (
            "A loss below 0.016 may go unnoticed here, so only larger ones count; to find 0.002 "
            "takes more test images than these 1,000."
        )
        assert answer_of(study, margin=0.01) == (
            "unsettled",
            "Not settled: near the data's statistics a loss of up to 0.016 cannot be excluded; "
            "more test images would tell.",
        )
    # What surely loses something is not called none, here nor at the edges.
    assert answer_of(study_of(made_study, slightly_worse(0.013), seeds=20))[0] == "unsettled"
    far = study_of(made_study, slightly_worse(0.008, far=0.945), seeds=20)
    assert answer_of(far)[0] == "unsettled"
    farther = study_of(made_study, slightly_worse(0.008, far=0.92), seeds=20)
    assert answer_of(farther)[1] == (
        "Only at the edges: far from the data's statistics losses exceed 0.036; "
        "means 0.1 to 0.3 with stds 0.3 to 0.8 lose at most 0.016."
    )
    # Nor is what more seeds would tell.
    noisy = study_of(made_study, slightly_worse(0.02), noise=0.02, seeds=8)
    assert answer_of(noisy)[0] == "unsettled"
    assert answer_of(noisy, margin=0.03)[1].endswith("more seeds would tell.")


def test_one_cell_has_nothing_to_be_compared_with(made_study):
    study = made_study("0.2", "0.5", np.full((1, 1, 3), 0.9))
    assert answer_of(study)[1] == (
        "Not settled: one cell has nothing to be compared with; "
        "give several values of mean and std."
    )


def test_a_study_of_survival_alone(made_study):
    def survival(failed, **given):
        study = study_of(made_study, even(), seeds=20, failed=failed, **given)
        short = study.trials()
        study.survival_trials, study.trials = lambda: short, list
        object.__setattr__(study.specification, "seeds", 0)
        return summarize(study)

    near = survival(failing(1, seeds=20), failure="stuck")
    assert near.answer == (
        "Not settled: even near the data's statistics 30 of 60 runs never left chance; "
        "train longer, with more epochs."
    )
    summary = survival(failing(0, seeds=20))
    assert summary.answer == (
        "Not settled: far from the data's statistics some runs fail; "
        "final accuracy was not measured; add seeds=5."
    )
    assert summary.best is None
    assert {c.normalization for c in summary.findings.cells} >= {NONE, Normalization(0.1, 0.3)}


def test_an_answer_begins_with_its_verdict(made_study):
    words = {"yes": "Yes", "no": "No", "edges": "Only at the edges", "unsettled": "Not settled"}
    for far in (0.97, 0.9, 0.5):
        verdict, answer = answer_of(study_of(made_study, even(far)))
        assert answer.startswith(f"{words[verdict]}: ")
