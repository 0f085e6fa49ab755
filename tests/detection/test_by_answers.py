"""Known normalizations weighed by answers alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from normscope.detection.answer_model import AnswerModel, Example, learn
from normscope.detection.answer_signs import (
    ANSWER_SIGNS,
    LAYER_SIGNS,
    answer_signs,
    imbalance,
    information,
    layer_signs,
)
from normscope.detection.answer_views import (
    BRIGHTER,
    DARKER,
    HARDER,
    HARDER_SHIFTED,
    PLAIN,
    SHIFTED,
    SOFTER,
    SOFTER_SHIFTED,
    VIEWS,
    Views,
)
from normscope.detection.answers import Asking
from normscope.detection.by_answers import CONTENDERS, weigh_by_answers
from normscope.detection.candidates import KNOWN, Candidate, candidates
from normscope.detection.layer_levels import layer_levels, reachable
from normscope.detection.other_constants import OTHERS, other_constants
from normscope.detection.usage import COLOUR, ONE_VALUE, log_usage
from normscope.errors import NormscopeError
from normscope.normalization import Normalization
from tests.detection.test_by_labels import handwriting, matcher

__all__ = ["handwriting"]

HALVES = Candidate("own", Normalization((0.4, 0.5, 0.6), (0.2, 0.3, 0.4)), "bgr", usual=True)


@pytest.fixture
def few_images(coloured_images):
    return coloured_images[:8]


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(20, 4)
    ).eval()


def moved(x):
    x = torch.cat([x[:, :, :1], x[:, :, :-1]], 2)
    return torch.cat([x[..., :1], x[..., :-1]], 3)


def stretched(x, factor):
    return x.mean((0, 2, 3), keepdim=True) * (1 - factor) + factor * x


@pytest.mark.parametrize(
    ("view", "change"),
    [
        (PLAIN, lambda x: x),
        (SOFTER, lambda x: stretched(x, 0.8)),
        (HARDER, lambda x: stretched(x, 1.25)),
        (DARKER, lambda x: x - 0.1),
        (BRIGHTER, lambda x: x + 0.1),
        (SHIFTED, moved),
        (SOFTER_SHIFTED, lambda x: moved(stretched(x, 0.8))),
        (HARDER_SHIFTED, lambda x: moved(stretched(x, 1.25))),
    ],
)
def test_views_are_what_changed_pixels_would_give(few_images, classifier, view, change):
    pixels = change(torch.from_numpy(few_images).float() / 255)
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in ((0.4, 0.5, 0.6), (0.2, 0.3, 0.4)))
    with torch.no_grad():
        expected = classifier(((pixels - mean) / std).flip(1)).log_softmax(1).numpy()
    found = Views.of(classifier, few_images).log_probabilities(HALVES, view)
    assert found == pytest.approx(expected, abs=1e-4)


def entropy(chances):
    return -sum(p * np.log(p) for p in np.ravel(chances) if p > 0)


def information_shared(one, other):
    """Of two answers to each image, by counting pairs one by one."""
    joint = np.zeros((one.shape[1], one.shape[1]))
    for p, q in zip(one, other, strict=True):
        joint += (np.outer(p, q) + np.outer(q, p)) / (2 * len(one))
    return entropy(joint.sum(0)) + entropy(joint.sum(1)) - entropy(joint)


def test_signs_against_plain_loops():
    generator = np.random.default_rng(0)
    logits = 2 * generator.normal(size=(2, len(VIEWS), 30, 3))
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    others = np.array([0.1, 1.0, 10.0, 1e9])
    found = dict(zip(ANSWER_SIGNS, answer_signs(logs, others, 0.5).T, strict=True))
    for c in range(2):
        shown = {view: np.exp(logs[c, i]) for i, view in enumerate(VIEWS)}
        plain = shown[PLAIN]
        variances = [plain[:, k].var() for k in range(3)]
        off = np.mean(
            [
                (plain[:, k].mean() - 1 / 3) ** 2
                / ((0.9 * v + 0.1 * np.mean(variances)) * (1 / 30 + 0.01) + 0.005**2)
                for k, v in enumerate(variances)
            ]
        )
        assert found["balanced"][c] == pytest.approx(-np.log(off + 0.3))
        assert found["balanced beside others"][c] == pytest.approx(
            -np.log(sum(o <= off for o in others) / 4 + 0.02)
        )
        even = {view: entropy(shown[view].mean(0)) / np.log(3) for view in (DARKER, BRIGHTER)}
        assert found["even in brightness"][c] == pytest.approx(
            -np.log(abs(even[BRIGHTER] - even[DARKER]) + 0.003)
        )
        gain = information_shared(shown[HARDER], shown[HARDER_SHIFTED]) - information_shared(
            shown[SOFTER], shown[SOFTER_SHIFTED]
        )
        assert found["gain by contrast"][c] == pytest.approx(gain / np.log(3))
        same = np.mean([p @ np.log(q) for p, q in zip(plain, shown[SHIFTED], strict=True)])
        assert found["same in place"][c] == pytest.approx(same / np.log(3), rel=0.05)
        apart = entropy(plain.mean(0)) - np.mean([entropy(p) for p in plain])
        assert information(logs[c, 0]) == pytest.approx(apart / np.log(3))
        assert found["telling apart, of most"][c] == pytest.approx(apart / np.log(3) / 0.5)
        centred = np.array([row - row.mean() for row in logits[c, 0]])
        bias = np.mean(centred.mean(0) ** 2) / np.mean(centred.var(0))
        assert found["balanced before softmax"][c] == pytest.approx(-np.log(bias + 0.01), rel=1e-4)
        assert found["certain"][c] == np.mean([p.max() > 0.99 for p in plain])


def test_rare_classes_are_counted_together(monkeypatch):
    generator = np.random.default_rng(1)
    logits = 2 * generator.normal(size=(1, len(VIEWS), 30, 6))
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    monkeypatch.setattr("normscope.detection.answer_signs.MOST_CLASSES", 3)
    found = dict(zip(ANSWER_SIGNS, answer_signs(logs, np.ones(1), 1.0)[0], strict=True))
    gain = 0.0
    for sign, pair in ((1, (HARDER, HARDER_SHIFTED)), (-1, (SOFTER, SOFTER_SHIFTED))):
        one, other = (np.exp(logs[0, VIEWS.index(view)]) for view in pair)
        often = np.argsort(-(one + other).sum(0))[:2]
        merged = [np.column_stack([p[:, often], 1 - p[:, often].sum(1)]) for p in (one, other)]
        gain += sign * information_shared(*merged)
    assert found["gain by contrast"] == pytest.approx(gain / np.log(6))


@pytest.mark.parametrize(("images", "classes"), [(256, 10), (50, 10), (40, 1000)])
def test_balanced_answers_are_told_by_their_noise(images, classes):
    generator = np.random.default_rng(2)
    logits = 5 * generator.normal(size=(200, images, classes))
    right = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    lopsided = logits + 40 * (np.arange(classes) == 0)
    wrong = lopsided - np.log(np.exp(lopsided).sum(-1, keepdims=True))
    noise = 1 / images
    assert imbalance(right).mean() == pytest.approx(noise / (noise + 0.01), rel=0.35)
    assert imbalance(wrong).min() > 5 * imbalance(right).max()
    assert imbalance(np.full((images, classes), np.nan)) == pytest.approx(0)


def test_other_constants_lie_everywhere_and_carry_no_known_name():
    for channels in (1, 3):
        found = other_constants(channels)
        assert found == other_constants(channels)
        means = np.array([c.normalization.mean[0] for c in found])
        logs = np.log([c.normalization.std[0] for c in found]) / np.log(255)
        assert {c.normalization.channels for c in found} == {channels}
        assert len(found) == OTHERS
        for values, low in ((means, 0), (logs, -1)):
            counts = np.histogram(values, bins=4, range=(low, low + 1))[0]
            assert counts.sum() == OTHERS
            assert counts.min() >= OTHERS // 4 - 2


def test_levels_of_layers(few_images, classifier):
    asking = Asking(classifier, few_images)
    levels = layer_levels(classifier, asking, HALVES)
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in ((0.4, 0.5, 0.6), (0.2, 0.3, 0.4)))
    shown = ((torch.from_numpy(few_images).float() / 255 - mean) / std).flip(1)
    outputs = classifier[0](shown).detach().numpy()
    each = [(outputs[:, k].mean(), outputs[:, k].std()) for k in range(5)]
    assert levels.shape == (2, 4)
    assert levels[0, 0] == pytest.approx(np.mean([abs(m) / s for m, s in each]), rel=1e-3)
    assert levels[0, 1] == pytest.approx(np.mean([np.log(s) for _, s in each]), rel=1e-3, abs=1e-3)
    assert layer_signs(levels[None]).shape == (1, len(LAYER_SIGNS))
    assert not any(module._forward_hooks for module in classifier.modules())
    assert reachable(classifier)
    assert not reachable(classifier.forward)


def test_what_is_learned_is_calibrated():
    generator = np.random.default_rng(0)
    weights, none = np.array([2.0, -1.0]), 1.0
    networks = []
    for _ in range(3000):
        signs = generator.normal(size=(4, 2))
        odds = np.append(signs @ weights, none)
        right = generator.choice(5, p=np.exp(odds) / np.exp(odds).sum())
        networks.append(Example(signs, np.zeros(4), int(right)))
    model = learn(networks, 1e-6)
    assert model.weights / model.scale == pytest.approx(weights, abs=0.15)
    assert model.none + model.centre @ (model.weights / model.scale) == pytest.approx(1, abs=0.15)
    chances = model.log_probabilities(networks[0].signs, networks[0].log_prior)
    assert np.exp(chances).sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("chance", "enough", "expected"),
    [(0.7, 0.7, 0.5), (0.35, 0.7, 0.25), (0.85, 0.7, 0.75), (0.6, 0.5, 0.6)],
)
def test_thin_evidence_is_understated(chance, enough, expected):
    prior = np.log([chance, 0.4 * (1 - chance)])
    model = AnswerModel(
        np.zeros(1), np.ones(1), np.ones(1), float(np.log(0.6 * (1 - chance))), enough
    )
    found = model.confidences(np.zeros((2, 1)), prior)
    assert found[0] == pytest.approx(expected)
    assert found[1] / found[0] == pytest.approx(0.4 * (1 - chance) / chance)
    assert found.sum() == pytest.approx(1)


def test_usage_adds_up():
    assert set(COLOUR) == set(KNOWN)
    assert set(ONE_VALUE) == {n for n, (known, _) in KNOWN.items() if known.channels == 1}
    for channels in (1, 3):
        assert np.exp(log_usage(candidates(channels))).sum() == pytest.approx(1)


def test_templates_are_never_taken_for_another(handwriting):
    pixels, labels, unseen, _ = handwriting
    claimed = set()
    for name, (normalization, _) in KNOWN.items():
        if normalization.channels == 1:
            network = matcher(pixels[:400], labels[:400], normalization)
            found = weigh_by_answers(network, unseen)
            # With little contrast their answers are one and the same, which is balanced too.
            assert found.verdict in {name, "cannot tell"}
            claimed.add(found.verdict)
            total = sum(c.confidence for c in found.candidates) + found.none_of_them
            assert total == pytest.approx(1)
            assert not found.layers
    assert {"0..255", "centred 0..255"} <= claimed


def test_a_network_that_says_nothing_tells_nothing(coloured_images):
    found = weigh_by_answers(lambda x: x.new_zeros(len(x), 10), coloured_images)
    assert found.verdict == "cannot tell"
    assert found.sentence.startswith(
        "Cannot tell from its answers to 200 images without labels: the likeliest known"
    )
    written = found.to_json()
    assert len(written["candidates"]) == 22
    assert sum(bool(c["signs"]) for c in written["candidates"]) == CONTENDERS


def test_too_few_images(coloured_images, classifier):
    with pytest.raises(NormscopeError) as met:
        weigh_by_answers(classifier, coloured_images[:31])
    assert str(met.value) == (
        "images must be at least 32 to tell a normalization by answers, got 31. Give more."
    )
