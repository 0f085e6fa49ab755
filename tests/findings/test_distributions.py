"""Against ``scipy.stats`` and ``scipy.optimize``, which a report does not import."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy import optimize, special, stats

from normscope.findings.distributions import (
    binomial_tail,
    inverse_trigamma,
    largest_share,
    normal_quantile,
    t_quantile,
    t_tail,
)

FREEDOM = np.array([0.3, 1, 2.5, 4, 30, 1e6, np.inf])[:, None]
P = np.array([1e-9, 0.025, 0.5, 0.9, 1 - 1e-9])


def test_normal_and_t():
    assert [normal_quantile(p) for p in P] == stats.norm.ppf(P).tolist()
    np.testing.assert_array_equal(t_quantile(P, FREEDOM), stats.t.ppf(P, FREEDOM))
    values = np.array([-np.inf, -40.0, -1.0, 0.0, 3.0, np.inf])
    np.testing.assert_array_equal(t_tail(values, FREEDOM), stats.t.sf(values, FREEDOM))
    assert t_quantile(0.975, 4) == stats.t.ppf(0.975, 4)
    assert np.isnan(t_quantile(0.9, np.nan))


def test_binomial():
    trials = np.repeat([1, 2, 7, 300], 4)
    successes = np.minimum(np.tile([0, 1, 5, 300], 4), trials)
    expected = stats.binom.sf(successes - 1, trials, 0.05)
    np.testing.assert_allclose(binomial_tail(successes, trials, 0.05), expected, rtol=1e-12)
    for some, all_ in zip(successes.tolist(), trials.tolist(), strict=True):
        found = stats.binomtest(some, all_).proportion_ci(0.95, "exact")
        assert largest_share(some, all_, 0.025) == pytest.approx(found.high, abs=1e-11)
        assert 1 - largest_share(all_ - some, all_, 0.025) == pytest.approx(found.low, abs=1e-11)


@pytest.mark.parametrize("value", [1e-14, 1e-9, 1e-3, 0.2, 1.0, 30.0, 1e6])
def test_inverse_trigamma(value):
    found = inverse_trigamma(value)
    assert float(special.polygamma(1, found)) == pytest.approx(value, rel=1e-10)
    if 1e-9 < value < 1e6:
        root = optimize.root_scalar(
            lambda log: float(special.polygamma(1, np.exp(log))) - value, bracket=(-10, 25)
        )
        assert found == pytest.approx(np.exp(root.root), rel=1e-9)


def test_inverse_trigamma_of_nan_ends():
    assert np.isnan(inverse_trigamma(np.nan))


def test_a_report_imports_neither():
    script = (
        "import sys, normscope.cli.report, normscope.reports.writing\n"
        "print([name for name in ('scipy.stats', 'scipy.optimize') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
