"""Which channels a trained network takes: its weights decide, whatever is stated or given."""

from urllib.error import URLError

import pytest
import torch

from normscope.errors import NormscopeError, WorkFailed
from normscope.models.building import build_model
from normscope.models.given import GivenModel
from normscope.models.trained import build_trained


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
