from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from normscope.findings.fresh_seeds import of_the_chosen
from normscope.findings.search_verdict import search_verdict


@pytest.mark.parametrize(("configurations", "seeds"), [(5, 3), (5, 5), (2, 10)])
def test_the_interval_of_the_chosen_covers_the_truth(configurations, seeds):
    # All are equally good, so that the choice is nothing but luck.
    rng = np.random.default_rng(seeds)
    covered, plain = [], []
    for table in 0.9 + rng.normal(0, 0.01, (2000, configurations, seeds)):
        chosen = table[table.mean(axis=1).argmax()]
        low, high = of_the_chosen(chosen, 1000, configurations)
        covered.append(low <= 0.9 <= high)
        low, high = of_the_chosen(chosen, 1000, 1)
        plain.append(low <= 0.9 <= high)
    assert np.mean(covered) >= 0.95
    assert np.mean(plain) < np.mean(covered)


def test_of_one_it_is_the_t_interval():
    values = np.array([0.90, 0.92, 0.91, 0.95])
    expected = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    assert of_the_chosen(values, 1000, 1) == pytest.approx(list(expected))
    assert of_the_chosen(values[:1], 1000, 1) is None
    # Seeds that agree to the image are no proof that all would.
    low, high = of_the_chosen(np.full(3, 0.9), 1000, 5)
    assert low < 0.9 < high
    # No accuracy is below 0; a difference may be.
    assert of_the_chosen(np.array([0.1, 0.5, 0.9]), 1000, 5) == [0, 1]
    assert of_the_chosen(np.array([0.1, 0.5, 0.9]), 1000, 5, least=-1) == [-1, 1]


@pytest.mark.parametrize(
    ("data", "half", "said"),
    [
        ([0.01, 0.03], [0.02, 0.05], ("yes", "data")),
        ([-0.001, 0.001], [0.02, 0.05], ("no", "data")),
        ([-0.01, 0.03], [0.02, 0.05], ("unsettled", "data")),
        (None, None, ("unsettled", "data")),
    ],
)
def test_the_verdict_is_read_off_the_intervals(data, half, said):
    rows = {
        "data": {"accuracy": 0.9, "difference_interval": data},
        "half": {"accuracy": 0.8, "difference_interval": half},
    }
    assert search_verdict(rows, 0.002) == said
    assert search_verdict({}, 0.002) == ("unsettled", None)
