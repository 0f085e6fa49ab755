"""BatchNormalization nodes of an ONNX file tell what those of the checkpoint tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto

import normscope
from normscope.detection.by_answers import weigh_by_answers
from normscope.detection.inputs import sample_images
from normscope.statistics.reading import Reading
from tests.deploy.onnx_graphs import IMAGENET_BYTES, channels, node, save

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def written(path, model, *front, constants=None, read="x", shape=("n", 3, 20, 20), **attributes):
    """The first layers of a torch network as an ONNX file, behind nodes of its own."""
    convolution, norm = model[0], model[1]
    arrays = {
        "w": convolution.weight, "b": convolution.bias, "s": norm.weight, "o": norm.bias,
        "m": norm.running_mean, "v": norm.running_var,
    }  # fmt: skip
    known = {name: t.detach().numpy().astype(np.float32) for name, t in arrays.items()}
    layers = {"strides": list(convolution.stride), "pads": [*convolution.padding] * 2} | attributes
    nodes = [
        *front,
        node("Conv", f"{read} w b", "c", **layers),
        node("BatchNormalization", "c s o m v", "n", epsilon=norm.eps),
        node("Relu", "n", "y"),
    ]
    return save(path, nodes, known | (constants or {}), list(shape))


def detect(model, images):
    return normscope.detect(
        str(model) if isinstance(model, Path) else model, images, batch_size=100, device="cpu",
        augmentation="none",
    )  # fmt: skip


def assert_alike(found, expected):
    assert found.verdict == expected.verdict == "imagenet"
    for one, other in (
        (found.fitted.normalization.mean, expected.fitted.normalization.mean),
        (found.fitted.normalization.std, expected.fitted.normalization.std),
    ):
        assert np.allclose(one, other, rtol=1e-3)
    assert found.layer is not None


def test_as_the_checkpoint_is(tmp_path, checkpoint, coloured_images):
    model = checkpoint(*IMAGENET)
    found = detect(written(tmp_path / "x.onnx", model), coloured_images)
    assert_alike(found, detect(model, coloured_images))
    assert (found.layer, found.batchnorm) == ("Conv_c", "BatchNormalization_n")
    assert found.notes == ()


def test_channels_that_come_last_and_turned_round(tmp_path, checkpoint, coloured_images):
    model = checkpoint(*IMAGENET, order="bgr")
    path = written(
        tmp_path / "x.onnx", model, node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
        node("Gather", "t i", "h", axis=1), constants={"i": np.array([2, 1, 0])}, read="h",
        shape=("n", 20, 20, 3),
    )  # fmt: skip
    assert_alike(detect(path, coloured_images), detect(checkpoint(*IMAGENET), coloured_images))


def test_what_the_file_does_itself_is_said(tmp_path, checkpoint, coloured_images):
    mean, std = (channels(v) for v in IMAGENET_BYTES)
    path = written(
        tmp_path / "x.onnx", checkpoint(*IMAGENET), node("Sub", "x f", "s1"),
        node("Div", "s1 d", "h"), constants={"f": mean, "d": std}, read="h",
    )  # fmt: skip
    found = detect(path, coloured_images)
    assert found.verdict == "imagenet"
    assert found.notes == (
        f"{path} itself first computes (x - (123.675, 116.28, 103.53)) / (58.395, 57.12, 57.375) "
        "of its input (Sub 'Sub_s1', Div 'Div_h'): the constants are those of all that is done.",
    )


def test_where_no_batchnorm_is_left_the_answers_tell(tmp_path):
    kernel = np.random.default_rng(0).normal(size=(8, 3, 3, 3)).astype(np.float32)
    nodes = [
        node("Conv", "x w", "c"), node("GlobalAveragePool", "c", "p"), node("Flatten", "p", "y")
    ]  # fmt: skip
    path = save(tmp_path / "x.onnx", nodes, {"w": kernel}, ["n", 3, 20, 20], rank=2)
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 20, 20), dtype=np.uint8)

    def same(batch):
        return torch.nn.functional.conv2d(batch, torch.from_numpy(kernel)).mean((2, 3))

    found, expected = detect(path, images), weigh_by_answers(same, images)
    assert found.verdict == "cannot tell"
    assert not found.layers
    by_name = {c.candidate.name: c.confidence for c in expected.candidates}
    assert {c.candidate.name: c.confidence for c in found.candidates} == pytest.approx(
        by_name, abs=0.01
    )


@pytest.mark.parametrize("ends", ["in maps", "in classes"])
def test_a_batchnorm_behind_other_layers_is_measured(tmp_path, checkpoint, coloured_images, ends):
    layers = [torch.nn.Conv2d(3, 16, 3, 2, 1), torch.nn.ReLU()]
    model = checkpoint(*IMAGENET, layers=layers)
    known = {"w": layers[0].weight, "b": layers[0].bias, "s": model[2].weight, "o": model[2].bias,
             "m": model[2].running_mean, "v": model[2].running_var}  # fmt: skip
    nodes = [
        node("Conv", "x w b", "c", strides=[2, 2], pads=[1] * 4), node("Relu", "c", "r"),
        node("BatchNormalization", "r s o m v", "n", epsilon=model[2].eps),
    ]  # fmt: skip
    if ends == "in classes":
        nodes += [node("GlobalAveragePool", "n", "p"), node("Flatten", "p", "y")]
    else:
        nodes += [node("Relu", "n", "y")]
    arrays = {name: t.detach().numpy().astype(np.float32) for name, t in known.items()}
    path = save(
        tmp_path / "x.onnx", nodes, arrays, ["n", 3, 20, 20], rank=2 if ends == "in classes" else 4
    )
    found, expected = detect(path, coloured_images), detect(model, coloured_images)
    assert found.verdict == expected.verdict == "imagenet"
    assert np.allclose(
        found.fitted.normalization.mean, expected.fitted.normalization.mean, atol=1e-3
    )
    assert np.allclose(found.fitted.normalization.std, expected.fitted.normalization.std, rtol=1e-2)
    assert found.batchnorm == "BatchNormalization_n"
    assert found.notes[0] == (
        "BatchNormalization_n does not read the first convolution itself, so its input was "
        "measured by running the network."
    )


@pytest.mark.parametrize("kind", [TensorProto.INT64])
def test_a_file_of_something_else(tmp_path, kind):
    path = save(
        tmp_path / "x.onnx", [node("Gather", "w x", "y")],
        {"w": np.ones((9, 4), np.float32)}, ["n", 7], kind=kind, rank=3,
    )  # fmt: skip
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 20, 20), dtype=np.uint8)
    with pytest.raises(normscope.NormscopeError, match="must take a batch of images, 4 axes"):
        detect(path, images)


def test_resnet20_on_its_training_images(tmp_path, real_data, real_weights):
    from normscope.models.building import build_model
    from normscope.models.options import ModelOptions

    weights = real_weights / "resnet20-cifar10.safetensors"
    model = build_model(
        "resnet20", channels=3, classes=10, image_size=(32, 32),
        options=ModelOptions(weights=str(weights)),
    )  # fmt: skip
    first = [model.conv1, model.bn1]
    first[0].bias = torch.nn.Parameter(torch.zeros(len(model.bn1.bias)))
    path = written(tmp_path / "x.onnx", first, shape=("n", 3, 32, 32))
    images = sample_images(real_data / "cifar10-jpeg" / "test.tar", 512, Reading())
    shown = {"device": "cpu", "augmentation": "crop4"}
    found = normscope.detect(str(path), images, **shown)
    expected = normscope.detect("resnet20", images, weights=weights, **shown)
    assert_alike(found, expected)
    assert (found.layer, expected.layer) == ("Conv_c", "conv1")
