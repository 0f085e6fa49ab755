"""Known normalizations weighed by labelled images, on networks whose normalization is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from scipy import stats
from scipy.special import softmax
from torchvision.models import squeezenet1_1
from torchvision.transforms import v2

from normscope.detection.all_pairs import all_pairs
from normscope.detection.by_labels import weigh_by_labels
from normscope.detection.candidates import KNOWN
from normscope.detection.refining import refine
from normscope.detection.tempering import tempered_likelihoods
from normscope.errors import NormscopeError
from normscope.images.digits import open_digits
from normscope.normalization import HALF, Normalization

FEW = 200


@pytest.fixture(scope="module")
def handwriting():
    """The bundled digits as bytes: some to learn from, others to ask about."""
    digits = open_digits()
    parts = []
    for part in (digits.train, digits.test):
        parts += [np.rint(part.pixels * (255 / 16)).astype(np.uint8), np.array(part.labels)]
    return parts


def matcher(pixels, labels, normalization):
    """Answers by how near the templates of each class are, in the normalized pixels it knows."""
    templates = torch.from_numpy(normalization.normalize(pixels / 255)).flatten(1)
    member = torch.eye(10, dtype=torch.float64)[torch.from_numpy(labels)]
    width = 20 / float(np.mean(normalization.std)) ** 2 / 36

    def network(images):
        distances = torch.cdist(images.double().flatten(1), templates) ** 2
        return torch.log(torch.exp(-distances / width) @ member + 1e-30)

    return network


@pytest.mark.parametrize("name", ["half", "none", "mnist", "0..255", "centred 0..255"])
def test_the_right_one_is_first(handwriting, name):
    pixels, labels, unseen, truth = handwriting
    normalization = KNOWN[name][0]
    network = matcher(pixels[:400], labels[:400], normalization)
    seen = []
    found = weigh_by_labels(
        network, unseen[:FEW], truth[:FEW], on_progress=lambda *counts: seen.append(counts)
    )
    shown, most = zip(*seen, strict=True)
    assert list(shown) == sorted(shown)
    # Whoever has lost is shown no more, so there is ever less to do.
    assert list(most) == sorted(most, reverse=True)
    assert shown[-1] == most[-1]
    assert found.verdict == found.candidates[0].candidate.name == name
    answers = network(torch.from_numpy(normalization.normalize(unseen[:FEW] / 255))).argmax(1)
    assert found.accuracy[name] == np.mean(answers.numpy() == truth[:FEW])
    assert found.candidates[0].confidence > 0.8
    assert found.candidates[1].nats_lost > 0
    assert found.candidates[2].nats_interval[0] > 0
    for value, (low, high) in zip(
        (*normalization.mean, *normalization.std),
        (*found.refined.mean_interval, *found.refined.std_interval),
        strict=True,
    ):
        assert low - 0.2 * normalization.std[0] < value < high + 0.2 * normalization.std[0]
    assert sum(c.confidence for c in found.candidates) + found.none_of_them == pytest.approx(1)


def test_probabilities_are_as_good_as_logits(handwriting):
    pixels, labels, unseen, truth = handwriting
    network = matcher(pixels[:400], labels[:400], HALF)
    found = weigh_by_labels(network, unseen[:FEW], truth[:FEW], refined=False)
    same = weigh_by_labels(
        lambda x: network(x).softmax(1), unseen[:FEW], truth[:FEW], refined=False
    )
    assert [c.candidate for c in same.candidates] == [c.candidate for c in found.candidates]
    assert same.candidates[1].nats_lost == pytest.approx(found.candidates[1].nats_lost, abs=1e-3)
    assert same.refined is same.none_of_them is None
    assert sum(c.confidence for c in same.candidates) == pytest.approx(1)


def test_a_network_of_unknown_constants_is_none_of_the_known(handwriting):
    pixels, labels, unseen, truth = handwriting
    own = Normalization(0.9, 0.1)
    found = weigh_by_labels(matcher(pixels[:400], labels[:400], own), unseen, truth)
    assert found.verdict == "none of the known"
    assert found.sentence.startswith("None of the known normalizations (confidence ")
    (low, high), (least, most) = *found.refined.mean_interval, *found.refined.std_interval
    assert low < 0.9 < high
    assert least < 0.1 < most


def test_a_network_that_says_nothing_tells_nothing(handwriting):
    _, _, unseen, truth = handwriting
    found = weigh_by_labels(lambda x: x.new_zeros(len(x), 10), unseen, truth)
    assert found.verdict == "cannot tell"
    assert found.sentence.startswith(
        "Cannot tell which of none, half, mnist, 0..255 and 2 more (together with confidence "
    )
    assert " on 359 labelled images: they differ by at most 0 nats an image and " in found.sentence
    low, high = found.candidates[1].accuracy_interval
    assert low < 0 < high
    found = weigh_by_labels(lambda x: x.new_full((len(x), 10), torch.nan), unseen, truth)
    assert set(found.accuracy.values()) == {0.0}


def test_the_likelihood_is_that_of_the_best_temperature():
    generator = np.random.default_rng(0)
    logits = 3 * generator.normal(size=(50, 4))
    labels = generator.integers(0, 4, 50)
    logs = np.log(softmax(logits, axis=1))
    slow = max(
        np.log(softmax(logits / t, axis=1))[range(50), labels].mean()
        for t in np.geomspace(0.1, 400, 2000)
    )
    assert tempered_likelihoods(logs, labels).mean() == pytest.approx(slow, abs=1e-4)
    logs[0] = np.nan
    assert tempered_likelihoods(logs, labels)[0] == pytest.approx(-np.log(4))


def test_differences_against_a_plain_loop():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(40, 3))
    weights = generator.multinomial(40, np.full(40, 1 / 40), 300)
    found = all_pairs(values, weights, 0.9, counts=False)
    greatest = []
    for times in weights:
        drawn = np.repeat(values, times, axis=0)
        greatest.append(0.0)
        for i, j in ((0, 1), (0, 2), (1, 2)):
            difference = values[:, i] - values[:, j]
            moved = (drawn[:, i] - drawn[:, j]).mean() - difference.mean()
            error = difference.std() / np.sqrt(40)
            greatest[-1] = max(greatest[-1], abs(moved) / error)
            assert found.errors[i, j] == pytest.approx(error)
    assert found.factor == pytest.approx(np.quantile(greatest, 0.9))
    lost, (low, high) = found.lost(0, 2)
    assert lost == pytest.approx(values[:, 0].mean() - values[:, 2].mean())
    assert high - low == pytest.approx(2 * found.factor * found.errors[0, 2])


def test_intervals_hold_for_having_chosen_the_best():
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        # All ways are equally good: whichever looks best was helped by chance.
        values = generator.normal(size=(100, 8)) + generator.normal(size=(100, 1))
        weights = generator.multinomial(100, np.full(100, 0.01), 200)
        found = all_pairs(values, weights, 0.9, counts=False)
        best, worst = int(found.means.argmax()), int(found.means.argmin())
        held += found.lost(best, worst)[1][0] <= 0
    assert held / 200 == pytest.approx(0.9, abs=0.06)


def test_no_difference_still_has_an_interval():
    right = np.tile([[1.0], [0.0]], (10, 2))
    weights = np.random.default_rng(0).multinomial(20, np.full(20, 0.05), 100)
    found = all_pairs(np.column_stack([right, 1 - right[:, 0]]), weights, 0.95, counts=True)
    assert found.errors[0, 1] == pytest.approx(1 / 22)


def test_refining_finds_the_greatest_likelihood():
    # Log likelihood of pixels under a normal whose constants are to be found.
    pixels = np.random.default_rng(0).normal(0.4, 0.2, 400)

    def likelihoods(n):
        return -0.5 * ((pixels - n.mean[0]) / n.std[0]) ** 2 - np.log(n.std[0])

    found = refine(likelihoods, Normalization(0.5, 0.3), np.array([0.2])).fitted
    assert found.normalization.mean[0] == pytest.approx(pixels.mean(), abs=0.002)
    assert found.normalization.std[0] == pytest.approx(pixels.std(), rel=0.01)
    half = stats.norm.ppf(0.95) * pixels.std() / np.sqrt(400)
    assert found.mean_interval[0] == pytest.approx(
        (pixels.mean() - half, pixels.mean() + half), abs=0.003
    )


def test_bad_input(handwriting):
    _, _, unseen, truth = handwriting
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))

    def says(sentence, asked=network, labels=truth, pixels=unseen):
        with pytest.raises(NormscopeError) as met:
            weigh_by_labels(asked, pixels, labels)
        assert str(met.value) == sentence

    says("labels must be as many as images, got 7 for 359. Give one for each.", labels=truth[:7])
    says(
        "labelled images must be at least 20 to compare normalizations, got 7. Give more.",
        labels=truth[:7], pixels=unseen[:7],
    )  # fmt: skip
    says(
        "labels must be 0 or more, got -1. Give each image the index of its output.",
        labels=truth - 1,
    )
    says(
        "labels must be below 3, as many as the network has outputs, got 9. Give each image the "
        "index of its output."
    )
    says(
        "the network must give two outputs or more for each image, as classifiers do, got shape "
        "(40, 1, 8, 8) for 40 images. Give a classifier.",
        asked=lambda x: x,
    )


@pytest.mark.thorough
def test_a_real_network_on_real_images(real_data, real_weights):
    model = squeezenet1_1()
    model.load_state_dict(load_file(real_weights / "squeezenet1_1-imagenet.safetensors"))
    # Half the usual size: a quarter of the work, and the constants are the same.
    prepare = v2.Compose([v2.Resize(128), v2.CenterCrop(112), v2.PILToTensor()])
    chosen = range(0, 1000, 6)
    folders = sorted((real_data / "imagenet-sample/val").iterdir())
    pixels = [
        prepare(Image.open(next(folders[i].iterdir())).convert("RGB")).numpy() for i in chosen
    ]
    found = weigh_by_labels(model.eval(), np.stack(pixels), np.array(chosen), refined=False)
    assert found.candidates[0].candidate.name == "imagenet"
    assert found.against("half", "imagenet").nats_interval[0] > 0
    assert "clip" in found.alike
