import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import normscope
from normscope.errors import NormscopeError
from normscope.images.decoded import DecodedSource, LabelledImages
from normscope.models.options import ModelOptions
from normscope.models.resnet20 import ResNet20
from normscope.normalization import HALF, NONE, Normalization
from normscope.trials.frozen import FrozenNetwork, evaluate_frozen, order_of_images
from normscope.trials.recipe import FROZEN
from normscope.trials.running import run_trial
from normscope.trials.trainer import can_compile, scanning_trainer


@pytest.fixture
def network(tmp_path):
    """A network whose BatchNorms have seen images, with its file of weights."""
    torch.manual_seed(0)
    model = ResNet20()
    for _ in range(3):
        model(torch.rand(8, 3, 16, 16))
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    return model.eval(), tmp_path / "w.safetensors"


@pytest.fixture
def source(network):
    """Images labelled by the network itself under no normalization, a tenth of them wrongly."""
    pixels = np.random.default_rng(1).integers(0, 256, (150, 3, 16, 16), np.uint8)
    with torch.no_grad():
        labels = network[0](torch.from_numpy(pixels) / 255).argmax(1).numpy()
    labels[::10] = (labels[::10] + 1) % 10
    images = LabelledImages(pixels, labels)
    classes = tuple("abcdefghij")
    return DecodedSource("made", classes, 255.0, images.take(np.arange(0)), None, images)


@pytest.fixture
def frozen(spec, network):
    options = ModelOptions(str(network[1]))
    return replace(
        spec, model="resnet20", recipe=FROZEN, options=options, normalization=NONE, threads=2
    )


def slow(network, source, normalization):
    """The accuracy image by image."""
    right = []
    for pixels, label in zip(source.test.pixels, source.test.labels, strict=True):
        image = torch.from_numpy(normalization.normalize(pixels / np.float32(255)))[None]
        with torch.no_grad():
            right.append(int(network[0](image.float()).argmax()) == label)
    return np.array(right)


@pytest.mark.parametrize("trainer", ["plain", "fast"])
@pytest.mark.parametrize("normalization", [NONE, HALF, Normalization((0.4, 0.5, 0.6), 0.3)])
def test_every_cell_agrees_with_a_slow_evaluation(frozen, network, source, trainer, normalization):
    trial = replace(frozen, trainer=trainer, normalization=normalization)
    result = run_trial(trial, source)
    expected = slow(network, source, normalization)
    assert abs(result.accuracy - expected.mean()) <= 1 / 150
    assert (result.correct_images() == expected).mean() > 0.99
    assert result.history == []
    assert result.first_layer["initial"] == result.first_layer["final"]


@pytest.mark.skipif(not can_compile("cpu"), reason="there is no C++ compiler")
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_network_gives_the_same(frozen, source, tmp_path, monkeypatch):
    (tmp_path / "small_nets.py").write_text(
        """
from torch import nn

def small(classes):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes)
    )
""",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    trial = replace(frozen, model="small_nets:small", options=ModelOptions(), normalization=HALF)
    fast = run_trial(trial, source)
    compiled = run_trial(replace(trial, trainer="compiled"), source)
    assert compiled.correct == fast.correct
    assert compiled.loss == pytest.approx(fast.loss, rel=1e-5)


def test_only_many_tests_are_worth_compiling(monkeypatch):
    monkeypatch.setenv("CXX", "python3")
    assert scanning_trainer("fast", "cpu", 10) == "fast"
    assert scanning_trainer("fast", "cpu", 10**6) == "compiled"
    assert scanning_trainer("plain", "cpu", 10**6) == "plain"
    assert scanning_trainer("fast", "mps", 10**6) == "fast"
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert scanning_trainer("fast", "cpu", 10**6) == "fast"


def test_the_network_is_built_once_for_many_normalizations(frozen, source, monkeypatch):
    evaluate_frozen(frozen, source)
    monkeypatch.setattr(FrozenNetwork, "__init__", None)
    again = evaluate_frozen(replace(frozen, normalization=HALF), source)
    assert 0 <= again.accuracy <= 1


def test_bf16_is_close(frozen, source):
    exact = run_trial(frozen, source).correct_images()
    close = run_trial(replace(frozen, precision="bf16"), source).correct_images()
    assert (exact == close).mean() > 0.9


def test_a_half_width_stops_early(frozen, source):
    many = replace(
        source,
        test=LabelledImages(
            np.concatenate([source.test.pixels] * 20), np.concatenate([source.test.labels] * 20)
        ),
    )
    whole = run_trial(frozen, many)
    stopped = run_trial(replace(frozen, half_width=0.05), many)
    assert stopped.test_images < whole.test_images == 3000
    assert abs(stopped.accuracy - whole.accuracy) < 0.05
    first = order_of_images(3000)[: stopped.test_images]
    np.testing.assert_array_equal(stopped.correct_images(), whole.correct_images()[first])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"recipe": "frozen"},
            "recipe='frozen' must be used with trained weights, got a network that starts afresh. "
            "Give weights, and no new_head.",
        ),
        (
            {"recipe": "frozen", "epochs": 2},
            "epochs must be left out with recipe='frozen', which trains nothing, got 2.",
        ),
        (
            {"half_width": 0.1},
            "half_width must be used with recipe='frozen', got lenet. Leave it out.",
        ),
        (
            {"recipe": "frozen", "half_width": 0.6},
            "half_width must lie between 0 and 0.5, got 0.6. Give a share of the images, such as "
            "0.01.",
        ),
        (
            {"trainer": "compiled"},
            "trainer='compiled' must be used with recipe='frozen', got a recipe that trains. "
            "Use trainer='fast'.",
        ),
        (
            {"new_head": True},
            "new_head must be used with weights, got none: without weights the whole network "
            "is new. Leave it out.",
        ),
        (
            {"padding": "before"},
            "padding must be used with a recipe that pads images, got recipe='lenet'. "
            "Use resnet-scratch, or leave it out.",
        ),
        (
            {"norm": "model"},
            "norm='model' must be used with a model whose library says what its weights expect, "
            "got lenet. Give MEAN/STD, or find it with normscope detect.",
        ),
        (
            {"model": "lenet-bn", "train_images": 30},
            "a network with BatchNorm must have at least a whole batch of 64 training images, "
            "got 30. Add images, or use batchnorm=False.",
        ),
        (
            {"model": "resnet18", "recipe": "resnet-scratch"},
            "model resnet18 must be given colour images, got grey ones. Use channels='rgb' to give "
            "them three equal channels.",
        ),
    ],
)
def test_words_that_do_not_go_together(options, sentence):
    with pytest.raises(NormscopeError) as met:
        normscope.train("digits", **options)
    assert str(met.value) == sentence


@pytest.fixture(scope="module")
def squeezenet():
    weights, data = os.environ.get("NORMSCOPE_WEIGHTS"), os.environ.get("NORMSCOPE_DATA")
    if not weights or not data:
        pytest.skip("NORMSCOPE_WEIGHTS and NORMSCOPE_DATA are not set: real weights are needed")
    return {
        "source": str(Path(data) / "imagenet-sample"),
        "model": "squeezenet1_1",
        "weights": Path(weights) / "squeezenet1_1-imagenet.safetensors",
        "recipe": "frozen",
        "resize": 256,
        "crop": 224,
    }


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("norm", "precision", "accuracy", "within"),
    [
        ("model", "fp32", 0.612, 0.003),
        ("half", "auto", 0.576, 0.006),
        ("none", "auto", 0.385, 0.006),
    ],
)
def test_squeezenet_on_real_images(squeezenet, norm, precision, accuracy, within):
    found = normscope.train(norm=norm, precision=precision, **squeezenet).result
    assert found.test_images == 1000
    assert found.accuracy == pytest.approx(accuracy, abs=within)
