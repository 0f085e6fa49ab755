"""The benchmark that the weights of answers come from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from benchmarks.answering_networks import SIDES, draw, network, shown, without_batchnorm
from benchmarks.by_answers import seeds, weights_source
from benchmarks.judging_answers import figures, is_near, judged, table, told
from torch import nn

from normscope.detection.answer_model import AnswerModel, Example
from normscope.detection.candidates import KNOWN, candidates


def test_half_of_the_networks_have_a_name():
    trainings = [draw(seed) for seed in range(64)]
    assert [t.name is None for t in trainings] == [seed % 2 == 1 for seed in range(64)]
    assert {t.kind for t in trainings} == {"plain", "convnext", "vit", "folded"}
    for training in trainings:
        if training.name:
            known = KNOWN[training.name.split(",")[0]][0].for_channels(len(training.mean))
            assert (training.mean, training.std) == (known.mean, known.std)


@pytest.mark.parametrize("seed", range(0, 64, 5))
def test_networks_answer_without_batchnorm(seed):
    training = draw(seed)
    torch.manual_seed(seed)
    model = network(training).eval()
    side = SIDES[training.source]
    pixels = shown(torch.randint(0, 256, (3, len(training.mean), side, side)), training)
    folded = without_batchnorm(model)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    with torch.no_grad():
        assert torch.allclose(folded(pixels), model(pixels), atol=1e-3)
        assert folded(pixels).shape == (3, 10)


ANSWERS = [
    {"name": "half", "kind": "vit", "confidence": 0.6, "right": True}
    | {"claimed": True, "said": 0.9, "true": True},
    {"name": "none", "kind": "vit", "confidence": 0.3, "right": False}
    | {"claimed": False, "said": 0.3, "true": False},
    {"name": None, "kind": "plain", "confidence": 0.7, "right": False}
    | {"claimed": True, "said": 0.8, "true": True},
]


def test_seeds_are_ranges():
    assert seeds("200:203") == range(200, 203)


def test_figures_by_hand():
    assert figures(ANSWERS) == {
        "networks": 3, "named": 2, "right_first": 1, "claims": 2, "right_claims": 1,
        "true_claims": 2, "calibration_error": pytest.approx((0.15 + 0.15 + 0.3) / 3),
        "calibration_error_of_first": pytest.approx((0.15 + 0.15 + 0.3) / 3),
    }  # fmt: skip


def test_the_table_has_a_line_for_all_and_for_each_kind():
    lines = [line.split() for line in table({(False, "skewed"): ANSWERS})]
    assert lines[1:] == [
        ["no", "skewed", "all", "3", "1/2", "2/2", "0.200", "1/2", "0.200"],
        ["no", "skewed", "plain", "1", "0/0", "1/1", "0.200", "0/1", "0.700"],
        ["no", "skewed", "vit", "2", "1/2", "1/1", "0.200", "1/1", "0.350"],
    ]
    assert told({(True, "even"): ANSWERS}) == (
        "With layers, even classes: first in 1 of 2; 2 of 2 claims true; calibration error 0.200."
    )


@pytest.mark.parametrize(
    ("mean", "std", "expected"),
    [(0.55, 0.45, True), (0.65, 0.5, False), (0.5, 0.65, False), (0.5, 0.35, False)],
)
def test_near_is_one_step_of_brightness_and_contrast(mean, std, expected):
    half = next(c for c in candidates(1) if c.name == "half")
    assert is_near({"mean": [mean], "std": [std], "order": "rgb"}, half) is expected


def test_another_order_of_channels_is_not_near():
    half = next(c for c in candidates(3) if c.name == "half, bgr")
    assert not is_near({"mean": [0.5] * 3, "std": [0.5] * 3, "order": "rgb"}, half)


class _Said(AnswerModel):
    def confidences(self, signs, log_prior):
        return np.array([0.02, 0.6, 0.3, 0.08])


@pytest.mark.parametrize(
    ("name", "right", "true"),
    [("clip", True, True), ("imagenet", False, True), (None, False, False)],
)
def test_a_claim_is_of_the_first_or_one_so_near(name, right, true):
    names = ["half", "clip", "imagenet"]
    constants = (
        [0.9] * 3
        if name is None
        else next(c.normalization.mean for c in candidates(3) if c.name == name)
    )
    result = {"seed": 1, "source": "cifar", "kind": "vit", "name": name, "accuracy": 0.5} | {
        "mean": constants,
        "std": [0.27] * 3,
        "order": "rgb",
        "signs": {"even": {"names": names}},
    }
    model = _Said(np.zeros(1), np.ones(1), np.ones(1), 0.0)
    found = judged(result, Example(np.zeros((3, 1)), np.zeros(4), 0), "even", model)
    assert (found["first"], found["confidence"], found["claimed"]) == ("clip", 0.6, True)
    assert found["said"] == pytest.approx(0.9)
    assert (found["right"], found["true"]) == (right, true)


def test_the_file_of_weights_holds_the_model():
    model = AnswerModel(np.array([1.5]), np.array([2.0]), np.array([-0.25]), 0.5)
    written: dict = {}
    exec(weights_source({"FOUND": model}, 7, "0:9", "First in 1 of 2."), written)
    assert written["FOUND"] == model
    assert "learned from 7 networks" in written["__doc__"]
    assert "First in 1 of 2." in written["__doc__"]
