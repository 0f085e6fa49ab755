"""The small version of ``benchmarks/answers.py``: answers against studies whose truth is known."""

from __future__ import annotations

import pytest
from benchmarks.answers import run_one

STUDIES = 60


@pytest.fixture(scope="module")
def records():
    return [run_one(number, seed=1) for number in range(STUDIES)]


def share(records, key):
    counted = sum(r.get(f"of:{key}", 0) for r in records)
    assert counted
    return sum(r.get(key, 0) for r in records) / counted


@pytest.mark.thorough
def test_no_study_breaks_it(records):
    assert [r["broke"] for r in records if "broke" in r] == []


def test_the_first_word_is_hardly_ever_wrong(records):
    large = [r for r in records if r.get("large")]
    assert sum(bool(r.get("wrong")) for r in records) <= 2
    assert sum(bool(r.get("right")) for r in large) >= 0.85 * len(large) > 10


def test_exact_intervals_of_failures_cover(records):
    assert share(records, "exact") >= 0.93


def test_bounds_of_losses_hold(records):
    assert share(records, "loss") >= 0.9
