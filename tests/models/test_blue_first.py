"""A network that was trained on blue, green, red, against transformers' own processor."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from normscope.checking.check import check
from normscope.images.decoded import DecodedSource, LabelledImages
from normscope.models.expected import expected_normalization
from normscope.normalization import Normalization
from normscope.trials.frozen import evaluate_frozen
from normscope.trials.network import build_network
from normscope.trials.preparation import model_options
from normscope.trials.recipe import FROZEN

MEAN, STD = (0.3, 0.4, 0.6), (0.2, 0.3, 0.25)
SIDE, CLASSES = 16, 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The network and its processor, whose configuration says in which order it takes channels."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    configuration = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic", num_labels=CLASSES
    )
    network = transformers.ResNetForImageClassification(configuration).eval()
    with torch.inference_mode():  # each answer is given about as often
        network.classifier[1].weight.mul_(20)
        network.classifier[1].bias.sub_(answers(network, pixels()).mean(dim=0))
    path = tmp_path_factory.mktemp("hf") / "network"
    network.save_pretrained(path)
    transformers.PPLCNetImageProcessor(
        do_resize=False, do_center_crop=False, image_mean=list(MEAN), image_std=list(STD)
    ).save_pretrained(path)
    return path


def pixels():
    g = np.random.default_rng(0)
    coarse = g.integers(0, 256, (40, 3, 4, 4)).repeat(4, axis=2).repeat(4, axis=3)
    return (coarse // np.array([1, 2, 4])[:, None, None]).astype(np.uint8)


def answers(network, images):
    shown = (images / 255 - np.reshape(MEAN, (3, 1, 1))) / np.reshape(STD, (3, 1, 1))
    return network(torch.from_numpy(shown[:, ::-1].astype(np.float32))).logits


@pytest.fixture(scope="module")
def known(folder):
    """Images with the answers to what the processor makes of them."""
    transformers = pytest.importorskip("transformers")
    network = transformers.ResNetForImageClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        found = answers(network, pixels()).argmax(1).numpy()
    images = LabelledImages(pixels(), found)
    none = images.take(np.arange(0))
    return DecodedSource("made", tuple("abcde"), 255.0, none, None, images)


@pytest.mark.parametrize("trainer", ["plain", "fast"])
def test_tested_as_it_is_it_is_given_what_it_takes(spec, folder, known, trainer):
    assert expected_normalization(str(folder)) == Normalization(MEAN, STD)
    options = model_options(str(folder), weights=None)
    frozen = replace(spec, model=str(folder), recipe=FROZEN, options=options, trainer=trainer)
    right = replace(frozen, normalization=Normalization(MEAN, STD))
    assert evaluate_frozen(right, known).accuracy == 1
    reverse = replace(frozen, normalization=Normalization(MEAN[::-1], STD[::-1]))
    assert evaluate_frozen(reverse, known).accuracy < 0.8


def test_a_training_begins_with_it(spec, folder, known):
    options = model_options(str(folder), weights=None)
    network, _ = build_network(replace(spec, model=str(folder), options=options), known)
    with torch.inference_mode():
        shown = Normalization(MEAN, STD).normalize(known.test.pixels / np.float32(255))
        found = network.eval()(torch.from_numpy(shown.astype(np.float32)))
    np.testing.assert_array_equal(found.argmax(1), known.test.labels)


def test_its_own_normalization_is_right(folder, tmp_path):
    for number, image in enumerate(pixels()[:8]):
        cv2.imwrite(str(tmp_path / f"{number}.png"), image[::-1].transpose(1, 2, 0))
    found = check(model=str(folder), images=tmp_path, norm="model")
    assert found.sentence == (
        f"Right. {folder} expects 0.3,0.4,0.6/0.2,0.3,0.25, channels in BGR order, and "
        "norm='model' gives it."
    )
