from __future__ import annotations

import math

import numpy as np
import pytest
from benchmarks.coverage import simulate

from normscope.statistics.estimators import NORMAL_95, real_digits
from normscope.statistics.stats import stats


def test_intervals_cover_95_percent():
    """The full simulation of 10,000 collections is benchmarks/coverage.py; this is a tenth.

    With 1,000 collections a coverage has a standard error of 0.7 %, so 2.5 % are 3.6 of them.
    """
    for estimator, share in simulate(collections=1_000, images=1_000, seed=0).items():
        assert share == pytest.approx(0.95, abs=0.025), estimator


@pytest.mark.parametrize("k", [-3, 0, 1, 4, 9])
def test_real_digits_is_the_largest_that_holds(k):
    just = 0.5 * 10.0**-k / NORMAL_95
    assert real_digits(just * (1 - 1e-12)) == k
    assert real_digits(just * (1 + 1e-12)) == k - 1


def test_no_digits_without_a_standard_error():
    assert real_digits(None) is None
    assert real_digits(0.0) is None


def test_standard_error_of_equal_sizes_is_the_usual_one():
    pixels = np.random.default_rng(0).integers(0, 256, (50, 1, 6, 6), dtype=np.uint8)
    means = pixels.reshape(50, -1).mean(axis=1) / 255
    expected = means.std(ddof=1) / math.sqrt(50)
    assert stats(pixels).mean.se[0] == pytest.approx(expected, rel=1e-12)
