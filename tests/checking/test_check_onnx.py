"""What the BatchNormalization nodes of a real ONNX file say in a check."""

from __future__ import annotations

import tarfile
import warnings

import pytest
import torch

from normscope import check
from normscope.checking.opinions import BATCHNORM, FILES
from normscope.models.building import build_model
from normscope.models.options import ModelOptions
from normscope.normalization import IMAGENET

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


def test_batchnorm_tells_what_nothing_states(images, resnet20, tmp_path):
    path = exported(resnet20, tmp_path / "r.onnx")
    found = check(path, images=images, norm="half")
    assert (found.verdict, found.answer.use) == ("wrong", "imagenet")
    assert found.expected.sources == (BATCHNORM,)
    (said,) = [line for line in found.evidence if line.source == BATCHNORM]
    assert said.says.startswith(f"{path} was trained with imagenet (0.485,0.456,0.406/")
    assert said.confidence > 0.95


def test_and_agrees_with_what_the_graph_does_itself(images, resnet20, tmp_path):
    path = exported(Normalizing(resnet20), tmp_path / "r.onnx")
    found = check(path, images=images, norm="0/0.00392156862745098")
    assert found.verdict == "right"
    assert set(found.expected.sources) == {BATCHNORM, FILES}
    (said,) = [line for line in found.evidence if line.source == BATCHNORM]
    assert said.says.endswith(": the constants are those of all that is done. Give it 0/0.003922.")
    twice = check(path, images=images, norm="imagenet")
    assert twice.answer.wrong == (
        "it is normalized twice, in front of the model and by the model itself"
    )
