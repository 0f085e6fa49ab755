from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from normscope.auditing.pairing import (
    accuracy_lost,
    for_the_greatest,
    for_the_worst,
    share,
)


@pytest.mark.parametrize("images", [40, 200, 1000])
@pytest.mark.parametrize(("lose", "gain"), [(0.0, 0.0), (0.05, 0.01), (0.2, 0.2), (0.5, 0.02)])
def test_the_interval_covers_the_truth(images, lose, gain):
    rng = np.random.default_rng(images)
    covered = []
    for _ in range(1000):
        draws = rng.random(images)
        reference = (draws < lose) | (draws > 0.8)
        other = ((draws >= lose) & (draws < lose + gain)) | (draws > 0.8)
        lost, (low, high) = accuracy_lost(reference, other)
        assert lost == pytest.approx(reference.mean() - other.mean())
        covered.append(low <= lose - gain <= high)
    assert 0.93 <= np.mean(covered) <= 1


def test_pairing_is_worth_it():
    rng = np.random.default_rng(0)
    reference = rng.random(1000) < 0.6
    other = reference & (rng.random(1000) < 0.97)
    _, (low, high) = accuracy_lost(reference, other)
    unpaired = 2 * 1.96 * np.sqrt(2 * 0.6 * 0.4 / 1000)
    assert high - low < unpaired / 3
    assert low > 0


def test_no_difference_is_no_certainty():
    lost, (low, high) = accuracy_lost([True, False] * 50, [True, False] * 50)
    assert lost == 0
    assert low == -high
    assert 0.015 < high < 0.025


@pytest.mark.parametrize("images", [1, 2])
def test_few_images(images):
    lost, (low, high) = accuracy_lost([True] * images, [False] * images)
    assert lost == 1
    assert -1 <= low <= high <= 1


def test_share_is_wilsons():
    # By its formula for 3 of 10: centre 0.3555, half width 0.2478.
    counted, (low, high) = share([True] * 3 + [False] * 7)
    assert (counted, round(low, 4), round(high, 4)) == (0.3, 0.1078, 0.6032)


@pytest.mark.parametrize("looks", [1, 5, 20])
def test_the_worst_of_several_has_its_interval_at_the_level_of_all(looks):
    rng = np.random.default_rng(looks)
    reference, other = rng.random(200) < 0.8, rng.random(200) < 0.7
    lost, interval = accuracy_lost(reference, other)
    _, expected = accuracy_lost(reference, other, 1 - 0.05 / looks)
    assert for_the_worst(lost, interval, 200, looks) == pytest.approx(expected)
    counted, _ = share(other)
    assert for_the_greatest(counted, 200, looks) == share(other, 1 - 0.05 / looks)[1]


def test_the_greatest_of_several_is_covered():
    rng = np.random.default_rng(0)
    covered, plain = [], []
    for mistakes in rng.random((1000, 10, 200)) < 0.1:
        greatest = mistakes[mistakes.mean(axis=1).argmax()]
        found, (low, high) = share(greatest)
        plain.append(low <= 0.1 <= high)
        low, high = for_the_greatest(found, 200, 10)
        covered.append(low <= 0.1 <= high)
    assert np.mean(covered) >= 0.95 > np.mean(plain)


@pytest.mark.parametrize(("hits", "images"), [(0, 7), (7, 7), (1, 1), (3, 10), (9123, 10000)])
@pytest.mark.parametrize("coverage", [0.95, 0.9975])
def test_share_is_what_scipy_finds(hits, images, coverage):
    _, interval = share(np.arange(images) < hits, coverage)
    expected = stats.binomtest(hits, images).proportion_ci(coverage, "wilson")
    assert interval == pytest.approx(tuple(expected), rel=1e-12)
