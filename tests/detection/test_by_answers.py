"""Known normalizations weighed by answers alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from normscope.detection.answer_model import Example, learn
from normscope.detection.answer_signs import ANSWER_SIGNS, LAYER_SIGNS, answer_signs, layer_signs
from normscope.detection.answer_views import VIEWS, Views
from normscope.detection.answers import Asking
from normscope.detection.by_answers import CONTENDERS, weigh_by_answers
from normscope.detection.candidates import KNOWN, Candidate, candidates
from normscope.detection.layer_levels import layer_levels, reachable
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


@pytest.mark.parametrize(
    ("view", "change"),
    [
        ("plain", lambda x: x),
        ("flipped", lambda x: x.flip(3)),
        ("softer", lambda x: x.mean((0, 2, 3), keepdim=True) * 0.2 + 0.8 * x),
        ("harder", lambda x: x.mean((0, 2, 3), keepdim=True) * -0.25 + 1.25 * x),
        ("darker", lambda x: x - 0.1),
        ("brighter", lambda x: x + 0.1),
        ("shifted", lambda x: torch.cat([x[:, :, :1], x[:, :, :-1]], 2)),
    ],
)
def test_views_are_what_changed_pixels_would_give(few_images, classifier, view, change):
    pixels = change(torch.from_numpy(few_images).float() / 255)
    if view == "shifted":
        pixels = torch.cat([pixels[..., :1], pixels[..., :-1]], 3)
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in ((0.4, 0.5, 0.6), (0.2, 0.3, 0.4)))
    with torch.no_grad():
        expected = classifier(((pixels - mean) / std).flip(1)).log_softmax(1).numpy()
    found = Views.of(classifier, few_images).log_probabilities(HALVES, view)
    assert found == pytest.approx(expected, abs=1e-4)


def test_signs_against_plain_loops():
    generator = np.random.default_rng(0)
    logits = 2 * generator.normal(size=(2, len(VIEWS), 30, 3))
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    found = dict(zip(ANSWER_SIGNS, answer_signs(logs).T, strict=True))

    def entropy(chances):
        return -sum(p * np.log(p) for p in chances) / np.log(3)

    for c in range(2):
        shown = {view: np.exp(logs[c, i]) for i, view in enumerate(VIEWS)}
        even = {view: entropy(chances.mean(0)) for view, chances in shown.items()}
        each = {view: np.mean([entropy(p) for p in chances]) for view, chances in shown.items()}
        answers = {view: chances.argmax(1) for view, chances in shown.items()}
        kept = {view: np.mean(a == answers["plain"]) for view, a in answers.items()}
        assert found["even"][c] == pytest.approx(-np.log(1 - even["plain"] + 0.003))
        assert found["even in brightness"][c] == pytest.approx(
            -np.log(abs(even["brighter"] - even["darker"]) + 0.003)
        )
        assert found["telling apart"][c] == pytest.approx(even["plain"] - each["plain"])
        assert found["gain by contrast"][c] == pytest.approx(
            even["harder"] - each["harder"] - even["softer"] + each["softer"]
        )
        assert found["sure"][c] == pytest.approx(1 - each["plain"])
        assert found["kept in place"][c] == pytest.approx((kept["flipped"] + kept["shifted"]) / 2)
        assert found["kept in contrast"][c] == pytest.approx((kept["softer"] + kept["harder"]) / 2)
    assert found["telling apart, of most"].max() == 1


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


def test_usage_adds_up():
    assert set(COLOUR) == set(KNOWN)
    assert set(ONE_VALUE) == {n for n, (known, _) in KNOWN.items() if known.channels == 1}
    for channels in (1, 3):
        assert np.exp(log_usage(candidates(channels))).sum() == pytest.approx(1)


def test_templates_are_never_taken_for_another(handwriting):
    pixels, labels, unseen, _ = handwriting
    for name, (normalization, _) in KNOWN.items():
        if normalization.channels == 1:
            network = matcher(pixels[:400], labels[:400], normalization)
            found = weigh_by_answers(network, unseen)
            assert found.verdict in {name, "cannot tell"}
            assert found.candidates[0].candidate.name == name
            total = sum(c.confidence for c in found.candidates) + found.none_of_them
            assert total == pytest.approx(1)
            assert not found.layers


def test_a_network_that_says_nothing_tells_nothing(coloured_images):
    found = weigh_by_answers(lambda x: x.new_zeros(len(x), 10), coloured_images)
    assert found.verdict == "cannot tell"
    assert found.sentence.startswith(
        "Cannot tell from its answers to 128 images without labels: the likeliest known"
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
