from __future__ import annotations

import json
import math

import numpy as np
import pytest

from normscope.errors import NormscopeError
from normscope.findings.scan_results import ScanResults
from normscope.findings.summary import summarize

# Three means by two stds by two seeds, by hand. Cell means:
#              std 0.1   std 1
#   mean -1      0.4      0.5
#   mean  0      0.6      0.9
#   mean  1      0.7      0.8
BY_HAND = [
    [[0.3, 0.5], [0.4, 0.6]],
    [[0.5, 0.7], [0.9, 0.9]],
    [[0.6, 0.8], [0.7, 0.9]],
]


@pytest.fixture
def by_hand(made_study):
    references = [("0.2/0.5", [0.91, 0.95]), ("0/2", [0.1, 0.1])]
    return summarize(made_study("-1,0,1", "0.1,1", BY_HAND, references=references))


def test_best_and_worst(by_hand):
    assert by_hand.best == {"mean": 0.0, "std": 1.0, "accuracy": pytest.approx(0.9)}
    assert by_hand.worst == {"mean": -1.0, "std": 0.1, "accuracy": pytest.approx(0.4)}


def test_centre_of_mass_is_weighted_along_the_right_axes(by_hand):
    total = 0.4 + 0.5 + 0.6 + 0.9 + 0.7 + 0.8
    mean = (-1 * (0.4 + 0.5) + 1 * (0.7 + 0.8)) / total
    std = (0.1 * (0.4 + 0.6 + 0.7) + 1 * (0.5 + 0.9 + 0.8)) / total
    assert by_hand.centre_of_mass == {"mean": pytest.approx(mean), "std": pytest.approx(std)}


def test_spread_is_the_population_std_over_cell_means(by_hand):
    # Deviations from 0.65: -.25, -.15, -.05, .25, .05, .15, so the squares sum to 0.175.
    assert by_hand.spread == pytest.approx(math.sqrt(0.175 / 6))


def test_the_best_95_percent_leave_out_the_worst_cell(by_hand):
    # The 5th percentile of six values lies between the first and the second.
    kept = [0.5, 0.6, 0.7, 0.8, 0.9]
    assert by_hand.best_95_percent == {
        "cells": 5,
        "mean": pytest.approx(0.7),
        "spread": pytest.approx(np.std(kept)),
    }


def test_references(by_hand):
    assert by_hand.at_data == {"mean": 0.2, "std": 0.5, "accuracy": pytest.approx(0.93)}
    assert by_hand.at_none == {"mean": 0.0, "std": 1.0, "accuracy": pytest.approx(0.9)}


def test_variance_components(by_hand):
    # Within-cell variances: five of 0.02 and one of 0, so the pooled one is 0.1 / 6.
    assert by_hand.seed_std == pytest.approx(math.sqrt(0.1 / 6))
    # Seed means are 0.5667 and 0.7333: half their difference is 1/12. Residuals are the half
    # differences 0.1 (five times) and 0 less 1/12: the squares sum to 2 * (5/3600 + 1/144) over
    # 5 degrees of freedom.
    ms_residual = 2 * (5 / 3600 + 1 / 144) / 5
    ms_cell = 2 * 0.175 / 5
    assert by_hand.cell_std == pytest.approx(math.sqrt((ms_cell - ms_residual) / 2))


def test_counts(by_hand):
    assert (by_hand.trials, by_hand.diverged) == (16, 0)
    assert by_hand.planned == (6 + 1) * 2


def test_json_is_standard_and_carries_the_schema(by_hand):
    data = json.loads(json.dumps(by_hand.to_json(), allow_nan=False))
    assert data["schema"] == 2
    assert data["best"]["std"] == 1.0
    assert data["data"] == {"mean": 0.2, "std": 0.5}
    assert data["verdict"] == by_hand.findings.verdict
    cell = data["cells"][3]
    assert (cell["mean"], cell["std"], cell["accuracy"]) == (0.0, 1.0, pytest.approx(0.9))
    assert (cell["offset"], cell["contrast"]) == (pytest.approx(0.2), pytest.approx(0.5))
    assert (cell["failed"], cell["failed_low"]) == (0, 0)
    assert cell["failed_high"] == pytest.approx(1 - 0.025**0.5)


def test_equal_cells(made_study):
    summary = summarize(made_study("0,1", "1,2", np.full((2, 2, 3), 0.5)))
    assert summary.spread == summary.cell_std == summary.seed_std == 0
    assert summary.best_95_percent == {"cells": 4, "mean": 0.5, "spread": 0.0}
    assert summary.at_data is None


def test_all_accuracies_zero_leave_the_middle(made_study):
    summary = summarize(made_study("-1,2", "1,3", np.zeros((2, 2, 1))))
    assert summary.centre_of_mass == {"mean": 0.5, "std": 2.0}


def test_one_seed_gives_no_noise_and_no_answer(made_study):
    summary = summarize(made_study("0,1", "1,2", [[[0.1], [0.2]], [[0.3], [0.4]]]))
    assert summary.seed_std is None
    assert summary.cell_std is None
    assert summary.answer == (
        "Not settled: one seed cannot tell luck from the normalization; add seeds=5."
    )


def test_a_study_that_is_not_finished_is_to_be_gone_on_with(made_study):
    accuracies = np.full((2, 2, 3), 0.5)
    accuracies[:, 1, 1:] = np.nan
    assert summarize(made_study("0,1", "1,2", accuracies)).answer == (
        "Not settled: one seed cannot tell luck from the normalization; finish this study first."
    )


def test_only_seeds_that_every_cell_has_finished_are_compared(made_study):
    accuracies = np.full((2, 2, 3), 0.5)
    accuracies[0, 0] = [0.8, 0.9, 1.0]
    accuracies[1, 1, 2] = np.nan
    references = [("0.2/0.5", [0.2, 0.4, 0.9])]
    summary = summarize(made_study("0,1", "1,2", accuracies, references=references))
    assert summary.best["accuracy"] == pytest.approx(0.85)
    assert summary.at_data["accuracy"] == pytest.approx(0.3)
    accuracies[0, 1] = np.nan
    with pytest.raises(NormscopeError, match="at least one seed finished in every cell"):
        summarize(made_study("0,1", "1,2", accuracies))


def test_grid_has_named_axes_and_whole_seeds(made_study):
    accuracies = np.array(BY_HAND)
    accuracies[2, 1, 0] = np.nan
    study = made_study("-1,0,1", "0.1,1", accuracies, references=[("0.1,0.2,0.3/1", [0.5])])
    grid = ScanResults.read(study).grid
    assert grid.dims == ("mean", "std", "seed")
    assert grid["seed"].to_numpy().tolist() == [1]
    assert grid.sel(mean=0, std=1, seed=1) == BY_HAND[1][1][1]


def test_components_are_those_of_simulated_studies(made_study):
    rng = np.random.default_rng(0)
    cells, seeds = rng.normal(0, 0.03, (20, 20, 1)), rng.normal(0, 0.05, 60)
    noise = rng.normal(0, 0.02, (20, 20, 60))
    means = ",".join(str(v) for v in range(20))
    stds = ",".join(str(v) for v in range(1, 21))
    summary = summarize(made_study(means, stds, 0.5 + cells + seeds + noise))
    assert summary.cell_std == pytest.approx(0.03, rel=0.1)
    within = math.sqrt(seeds.var(ddof=1) + 0.02**2)
    assert summary.seed_std == pytest.approx(within, rel=0.02)
