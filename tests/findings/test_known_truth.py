"""The small version of ``benchmarks/findings.py``: claims against studies whose truth is known."""

from __future__ import annotations

import pytest
from benchmarks.findings import measure

STUDIES = 150


@pytest.fixture(scope="module")
def measured():
    return measure(STUDIES, seed=1)


@pytest.mark.parametrize("name", ["normalization", "seed", "interaction"])
def test_shares_have_little_bias_and_their_intervals_cover(measured, name):
    found = measured["shares"][name]
    assert abs(found["bias"]) <= 0.05
    # Of 150 studies, 95 % has a standard error of about 2 %.
    assert found["coverage_where_not"] >= 0.88
    assert found["coverage_where_zero"] >= 0.88


def test_the_equivalence_test_seldom_errs_at_the_edge(measured):
    found = measured["equivalence"]
    assert found["one_cell_at_the_edge"] <= 0.06
    assert found["any_cell_at_the_edge_after_correction"] <= 0.06
    assert found["any_cell_beyond_after_correction"] <= 0.02
    assert found["equal_cells_found"] > 0.02


def test_no_cell_beyond_the_margin_is_plateau(measured):
    assert measured["plateau"]["no_cell_beyond"] >= 0.95
    assert measured["plateau"]["plateau_found"] > 0.02


def test_a_proved_range_loses_no_more_than_the_margin(measured):
    assert measured["tolerance"]["range_too_wide"] <= 0.06
    assert measured["tolerance"]["rectangle_too_wide"] <= 0.06


def test_too_few_seeds_lead_to_no_claim(measured):
    assert measured["too_few"]["claims_from_two_seeds"] == 0
    assert measured["too_few"]["equivalence_claimed_in_noise"] == 0
    assert measured["too_few"]["difference_claimed_in_noise"] <= 0.1
