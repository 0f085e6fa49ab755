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


def test_the_distances_of_the_others_have_their_unit():
    assert explain("0.51/0.22", MEANS, STDS).sentence.endswith(
        "the std is best explained by the mean image std (to all the digits given; "
        "pixel std 22.5 standard errors away)."
    )


def test_none_explains():
    assert explain("half", MEANS, STDS).sentence == (
        "half: the mean is best explained by the pixel mean (to all the digits given); "
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


COLOUR_MEANS = {"pixel mean": Estimate((0.48, 0.45, 0.4), (0.004,) * 3)}
COLOUR_STDS = {"pixel std": Estimate((0.27, 0.26, 0.28), (0.002,) * 3)}


@pytest.mark.parametrize(
    ("constants", "said"),
    [
        ("122.4,115,102/68.9,66.3,71.4", "for pixels of 0..255; divide both by 255"),
        (
            "0.00188,0.00176,0.00157/0.00106,0.00102,0.0011",
            "divided by 255 once too often; multiply both by 255",
        ),
        ("0.4,0.45,0.48/0.28,0.26,0.27", "in reverse order (BGR for RGB); reverse them"),
        ("102,115,122.4/71.4,66.3,68.9", "for pixels of 0..255 in reverse order (BGR)"),
        ("0.52,0.55,0.6/0.27,0.26,0.28", "with 1 - mean for the mean"),
        ("-0.48,-0.45,-0.4/0.27,0.26,0.28", "with a mean of the wrong sign"),
        ("0.48,0.45,0.4/0.48,0.45,0.4", "the std is a copy of the mean"),
        ("0.27,0.26,0.28/0.27,0.26,0.28", "the mean is a copy of the std"),
        ("0.48,0.45,0.4/0.6,0.6,0.6", "no images in [0, 1] with this mean have so large a std"),
    ],
)
def test_a_usual_mistake_is_named(constants, said):
    assert said in explain(constants, COLOUR_MEANS, COLOUR_STDS).sentence


@pytest.mark.parametrize("constants", ["imagenet", "half", "0.3,0.3,0.3/0.2,0.2,0.2", "none"])
def test_no_mistake_is_made_up(constants):
    sentence = explain(constants, COLOUR_MEANS, COLOUR_STDS).sentence
    assert "no estimator here explains" in sentence


def test_right_constants_are_no_mistake():
    # Of grey images a reversed order changes nothing.
    same = {"pixel mean": Estimate((0.5,) * 3, (0.01,) * 3)}
    found = explain("0.5/0.27", same, {"pixel std": Estimate((0.27,) * 3, (0.002,) * 3)})
    assert "best explained by the pixel mean" in found.sentence


def test_the_best_is_the_nearest_of_those_that_are_said():
    # Farther in one channel, and nearer in the three together.
    means = {
        "pixel mean": Estimate((0.5 + 0.016, 0.5, 0.5), (0.01, 0.01, 0.01)),
        "mean of image means": Estimate((0.5 + 0.015, 0.515, 0.515), (0.01, 0.01, 0.01)),
    }
    stds = {"pixel std": Estimate((0.25, 0.25, 0.25), (0.01, 0.01, 0.01))}
    said = explain("0.500001,0.500001,0.500001/0.25,0.25,0.25", means, stds).sentence
    assert (
        "the mean is best explained by the mean of image means (at most 1.5 standard errors away; "
        "pixel mean 1.6);"
    ) in said
