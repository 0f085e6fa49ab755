from __future__ import annotations

import numpy as np
import pytest

from normscope.findings.paired import paired_difference


def test_by_hand():
    found = paired_difference([0.91, 0.93, 0.92], [0.81, 0.83, 0.80])
    assert found.mean == pytest.approx(0.32 / 3)
    assert found.se == pytest.approx(np.std([0.1, 0.1, 0.12], ddof=1) / np.sqrt(3))
    assert found.verdict == "better"
    assert paired_difference([0.80, 0.81, 0.80], [0.91, 0.93, 0.92]).verdict == "worse"
    assert paired_difference([0.9, 0.8], [0.9, 0.8]).verdict == "equivalent"
    assert paired_difference([0.9, 0.8], [0.8, 0.9]).verdict == "open"
    assert paired_difference([0.9], [0.1]).to_json() == {
        "difference": pytest.approx(0.8), "difference_se": None, "difference_interval": None,
        "verdict": "open",
    }  # fmt: skip


def test_seeds_that_agree_to_the_image_prove_less_than_they_seem_to():
    # Two seeds of 359 images, both two images better: no spread is seen, and some is there.
    assert paired_difference([0.95, 0.96], [0.95 - 2 / 359, 0.96 - 2 / 359]).verdict == "better"
    found = paired_difference([0.95, 0.96], [0.95 - 2 / 359, 0.96 - 2 / 359], images=359)
    assert found.verdict == "open"
    assert found.se == pytest.approx(np.sqrt(1 / 6) / 359 / np.sqrt(2))
    rng = np.random.default_rng(0)
    rounded = np.round(0.95 * 359 + rng.normal(0, 0.3, (4000, 2, 2))) / 359
    calls = [paired_difference(a, b, images=359).verdict for a, b in rounded]
    assert np.mean([call in {"better", "worse"} for call in calls]) < 0.05


@pytest.mark.parametrize("seeds", [3, 10])
def test_at_the_margin_five_percent_are_called_equivalent(seeds):
    rng = np.random.default_rng(seeds)
    noise = rng.normal(0, 0.0003, (4000, seeds))
    calls = [paired_difference(0.002 + row, np.zeros(seeds)).verdict for row in noise]
    assert 0.03 < np.mean([call == "equivalent" for call in calls]) < 0.065


def test_of_no_difference_five_percent_are_called_one():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, (4000, 5))
    calls = [paired_difference(row, np.zeros(5)).verdict for row in noise]
    assert 0.03 < np.mean([call in {"better", "worse"} for call in calls]) < 0.07
