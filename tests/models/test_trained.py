"""Which channels a trained network takes: its weights decide, whatever is stated or given."""

from urllib.error import URLError

import pytest
import torch
from torch import nn

from normscope.errors import NormscopeError, WorkFailed
from normscope.models.building import build_model
from normscope.models.given import GivenModel
from normscope.models.trained import build_trained
from tests.models.files.networks import write_onnx


def test_a_normalization_of_colours_for_a_network_of_grey(tmp_path):
    path = tmp_path / "w.pth"
    network = build_model("lenet", channels=1, classes=10, image_size=(28, 28))
    torch.save(network.state_dict(), path)
    sizes = {"channels": None, "image_size": (28, 28)}
    assert build_trained("lenet", str(path), normalized_channels=1, **sizes)[1] == 1
    with pytest.raises(NormscopeError) as met:
        build_trained("lenet", str(path), normalized_channels=3, **sizes)
    assert str(met.value) == (
        "a normalization of 3 channels must be for a network that takes as many, got lenet, which "
        "takes 1. Give MEAN/STD of one number each."
    )
    with pytest.raises(NormscopeError, match=r"conv1.weight has shape .* in place of "):
        build_trained("lenet", str(path), normalized_channels=3, channels=3, image_size=(28, 28))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 13])
@pytest.mark.parametrize("model", ["resnet20", f"{__name__}:bands"])
def test_one_number_stands_for_all_bands_that_the_weights_take(tmp_path, model, channels):
    path = tmp_path / "w.pth"
    network = build_model("resnet20", channels=channels, classes=10, image_size=(32, 32))
    torch.save(network.state_dict(), path)
    Bands.channels = channels
    sizes = {"channels": None, "image_size": (32, 32)}
    assert build_trained(model, str(path), normalized_channels=1, **sizes)[1] == channels


class Bands:
    channels = 0


def bands(classes):
    """A factory that builds one network, whatever the images are."""
    return build_model("resnet20", channels=Bands.channels, classes=classes, image_size=(32, 32))


@pytest.mark.parametrize("normalized", [1, 3])
def test_weights_that_cannot_be_fetched_are_asked_for_once(tmp_path, monkeypatch, normalized):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    asked = []

    def offline(url, *_, **__):
        asked.append(url)
        raise URLError(ConnectionRefusedError(111, "Connection refused"))

    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    with pytest.raises(WorkFailed) as met:
        build_trained(
            "squeezenet1_1", "default", normalized_channels=normalized, channels=None,
            image_size=(64, 64),
        )  # fmt: skip
    assert str(met.value) == (
        "the default weights of squeezenet1_1 must be in torch's cache or downloadable, got: "
        "Connection refused. Fetch them by hand and pass the file to --weights."
    )
    assert len(asked) == 1


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_that_is_handed_over_is_run_as_it_is():
    images = torch.rand(2, 3, 8, 8)
    script = torch.jit.trace(torch.nn.Flatten(), images).train()
    network = GivenModel(script).pretrained().requires_grad_(False)
    assert torch.equal(network(images), images.flatten(1))
    assert script.training


def test_a_colour_network_is_not_said_to_take_grey_images_of_another_size(tmp_path):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, 10))
    with pytest.raises(NormscopeError, match=r"must take images of shape \(1, 3, 9, 9\), got Run"):
        build_trained(network, None, normalized_channels=1, channels=None, image_size=(9, 9))
    pytest.importorskip("onnxruntime")
    path = str(write_onnx(network.eval(), tmp_path / "n.onnx", torch.zeros(2, 3, 8, 8)))
    with pytest.raises(NormscopeError) as met:
        build_trained(path, None, normalized_channels=1, channels=None, image_size=(9, 9))
    assert str(met.value).startswith(f"{path} must take images of shape (1, 3, 9, 9), got: ")
    assert str(met.value).endswith(". Give --resize and --crop as in its evaluation.")
