"""What the BatchNormalization nodes of an ONNX file say in a check."""

from __future__ import annotations

import tarfile
import warnings

import pytest
import torch

from normscope import check
from normscope.checking.opinions import BATCHNORM, FILES
from normscope.checking.sources import by_batchnorm
from normscope.models.building import build_model
from normscope.models.files.onnx_network import OnnxNetwork
from normscope.models.options import ModelOptions
from normscope.normalization import BYTES, IMAGENET
from tests.deploy.onnx_graphs import IMAGENET_BYTES, channels, node
from tests.detection.conftest import checkpoint, coloured_images
from tests.detection.test_detect_onnx import written

__all__ = ["checkpoint", "coloured_images"]

IMAGES = 120


class Normalizing(torch.nn.Module):
    """A network that takes pixels of 0..255."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        for name in ("mean", "std"):
            values = 255 * torch.tensor(getattr(IMAGENET, name)).reshape(-1, 1, 1)
            self.register_buffer(name, values)

    def forward(self, pixels):
        return self.network((pixels - self.mean) / self.std)


@pytest.fixture(scope="module")
def images(real_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cifar")
    with tarfile.open(real_data / "cifar10-jpeg" / "test.tar") as archive:
        members = [member for member in archive if member.name.endswith((".jpg", ".jpeg"))]
        for number, member in enumerate(members[:: len(members) // IMAGES]):
            (folder / f"{number}.jpg").write_bytes(archive.extractfile(member).read())
    return folder


@pytest.fixture
def resnet20(real_weights):
    weights = str(real_weights / "resnet20-cifar10.safetensors")
    return build_model(
        "resnet20", channels=3, classes=10, image_size=(32, 32),
        options=ModelOptions(weights=weights),
    ).eval()  # fmt: skip


def exported(network, path):
    """As ONNX, whose BatchNorms the exporter leaves alone if it is told that training goes on."""
    pytest.importorskip("onnxruntime")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(), (torch.zeros(1, 3, 32, 32),), path, dynamo=False,
            input_names=["images"], dynamic_axes={"images": {0: "batch"}},
            training=torch.onnx.TrainingMode.PRESERVE,
        )  # fmt: skip
    return str(path)


@pytest.mark.parametrize("inside", [False, True])
def test_its_opinion_is_of_what_is_left_to_do(tmp_path, checkpoint, coloured_images, inside):
    model = checkpoint(IMAGENET.mean, IMAGENET.std)
    path = tmp_path / "x.onnx"
    if inside:
        mean, std = (channels(values) for values in IMAGENET_BYTES)
        nodes = node("Sub", "x f", "s1"), node("Div", "s1 d", "h")
        written(path, model, *nodes, constants={"f": mean, "d": std}, read="h")
    else:
        written(path, model)
    found = by_batchnorm(OnnxNetwork(path), coloured_images)
    assert found.confidence > 0.9
    expected = BYTES if inside else IMAGENET
    assert found.normalization.for_channels(3) == expected.for_channels(3)
    assert found.inside == (IMAGENET if inside else None)
    said = f"{path} was trained with imagenet (0.485,0.456,0.406/0.229,0.224,0.225), "
    assert found.says.startswith(said)
    done = (
        f" {path} itself first computes (x - (123.675, 116.28, 103.53)) / (58.395, 57.12, 57.375) "
    )
    assert (done in found.says) == inside
    assert found.says.endswith(" Give it 0/0.003922.") == inside


@pytest.mark.thorough
def test_batchnorm_tells_what_nothing_states(images, resnet20, tmp_path):
    path = exported(resnet20, tmp_path / "r.onnx")
    found = check(path, images=images, norm="half")
    assert (found.verdict, found.answer.use) == ("wrong", "imagenet")
    assert found.expected.sources == (BATCHNORM,)
    (said,) = [line for line in found.evidence if line.source == BATCHNORM]
    assert said.says.startswith(f"{path} was trained with imagenet (0.485,0.456,0.406/")
    assert said.confidence > 0.95


@pytest.mark.thorough
def test_and_agrees_with_what_the_graph_does_itself(images, resnet20, tmp_path):
    path = exported(Normalizing(resnet20), tmp_path / "r.onnx")
    found = check(path, images=images, norm="0/0.00392156862745098")
    assert found.verdict == "right"
    assert set(found.expected.sources) == {BATCHNORM, FILES}
    (said,) = [line for line in found.evidence if line.source == BATCHNORM]
    assert said.says.endswith(": the constants are those of all that is done. Give it 0/0.003922.")
