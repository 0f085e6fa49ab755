from __future__ import annotations

import pytest

from normscope.errors import ChannelMismatch
from normscope.statistics.estimators import Estimate
from normscope.statistics.provenance import explain

MEANS = {"pixel mean": Estimate((0.5,), (0.01,))}
STDS = {
    "pixel std": Estimate((0.27,), (0.002,)),
    "mean image std": Estimate((0.22,), (0.002,)),
}


def test_the_best_estimator_is_named():
    found = explain("0.51/0.224", MEANS, STDS)
    assert found.mean["pixel mean"] == (pytest.approx(0.5),)
    assert found.std["pixel std"] == (pytest.approx(-22.75),)
    assert found.sentence == (
        "0.51/0.224: the mean is best explained by the pixel mean (at most 0.5 standard errors "
        "away); the std is best explained by the mean image std (at most 1.8 standard errors "
        "away; pixel std 22.8)."
    )
    assert found.to_json()["std"]["mean image std"] == [pytest.approx(1.75)]


def test_none_explains():
    assert explain("half", MEANS, STDS).sentence == (
        "half: the mean is best explained by the pixel mean (at most 0.0 standard errors away); "
        "no estimator here explains the std; the nearest is the pixel std, 90.0 standard errors "
        "away."
    )


def test_rounding_of_a_constant_is_no_distance():
    assert explain("0.5/0.3", MEANS, {"pixel std": Estimate((0.26,), (0.001,))}).std == {
        "pixel std": (0.0,)
    }


def test_without_standard_errors():
    single = {"pixel std": Estimate((0.27,), (None,))}
    assert explain("0.5/0.123", MEANS, single).sentence.endswith(
        "the std cannot be judged without standard errors."
    )


def test_channels_must_fit():
    with pytest.raises(ChannelMismatch):
        explain("imagenet", {"pixel mean": Estimate((0.5, 0.5), (0.01, 0.01))}, STDS)
