"""Known normalizations weighed by labelled images, on networks whose normalization is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from scipy import stats
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
    found = weigh_by_labels(network, unseen[:FEW], truth[:FEW])
    assert found.verdict == found.candidates[0].candidate.name == name
    answers = network(torch.from_numpy(normalization.normalize(unseen[:FEW] / 255))).argmax(1)
    assert found.accuracy[name] == np.mean(answers.numpy() == truth[:FEW])
    assert found.candidates[0].confidence > 0.9
    assert found.candidates[1].nats_interval[0] > 0
    for value, (low, high) in zip(
        (*normalization.mean, *normalization.std),
        (*found.refined.mean_interval, *found.refined.std_interval),
        strict=True,
    ):
        assert low - 0.2 * normalization.std[0] < value < high + 0.2 * normalization.std[0]
    assert sum(c.confidence for c in found.candidates) + found.none_of_them == pytest.approx(1)
