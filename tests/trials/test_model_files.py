"""Files as models of trials: tested frozen as their network is, and never trained."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

import normscope
from normscope.errors import NormscopeError
from normscope.models.building import build_model
from normscope.trials.chosen_model import check_weights
from tests.models.files.networks import some_images, write_onnx, write_program, write_script

FROZEN = {"recipe": "frozen", "norm": "mnist", "device": "cpu"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """LeNet for the bundled images as weights and as programs."""
    folder = tmp_path_factory.mktemp("files")
    torch.manual_seed(0)
    network = build_model("lenet", channels=1, classes=10, image_size=(8, 8)).eval()
    save_file(network.state_dict(), folder / "w.safetensors")
    images = some_images(2, channels=1, pixels=8)
    pytest.importorskip("onnxruntime")
    write_onnx(network, folder / "n.onnx", images)
    write_program(network, folder / "n.pt2", images)
    write_script(network, folder / "n.pt", images)
    return folder


@pytest.mark.parametrize("name", ["n.onnx", "n.pt2", "n.pt"])
def test_a_frozen_program_is_tested_as_its_network_is(files, name):
    expected = normscope.train("digits", model="lenet", weights=files / "w.safetensors", **FROZEN)
    found = normscope.train("digits", model=str(files / name), **FROZEN)
    assert abs(found.result.accuracy - expected.result.accuracy) <= 2 / 360
    assert found.result.first_layer["initial"]["weight_mean"] is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"recipe": "lenet"},
            "recipe='lenet' must be used with a network that can be trained, got {}, a finished "
            "program. Use recipe='frozen', or give the network that it was exported from.",
        ),
        (
            FROZEN | {"weights": "{}"},
            "weights must be used with a model's name, got {}, which brings its own. Leave it out.",
        ),
        (
            FROZEN | {"weight_init": 2.0},
            "weight_init and bias_init must be used with a network of layers, got {}, a "
            "finished program. Leave them out.",
        ),
    ],
)
def test_what_is_not_done_with_a_program(files, options, sentence):
    path = str(files / "n.onnx")
    options = {key: path if value == "{}" else value for key, value in options.items()}
    with pytest.raises(NormscopeError) as met:
        normscope.train("digits", model=path, **options)
    assert str(met.value) == sentence.format(path)


def test_detect_needs_layers(files):
    path = str(files / "n.pt2")
    with pytest.raises(NormscopeError) as met:
        normscope.detect(path, images="digits")
    assert str(met.value) == (
        f"normscope detect must be used with a network whose layers can be reached, got {path}, a "
        "finished program. Give the network that it was exported from."
    )


def test_detect_of_a_file_without_a_network(tmp_path):
    path = tmp_path / "n.pt"
    torch.save({"weight": torch.zeros(2)}, path)
    with pytest.raises(NormscopeError) as met:
        normscope.detect(str(path), images="digits")
    assert str(met.value) == (
        f"a model must hold its network, got {path}, which holds weights alone or a pickle, which "
        f"is not opened. Name the network and pass weights='{path}', or export it."
    )


def test_detect_of_a_missing_file(tmp_path):
    with pytest.raises(NormscopeError) as met:
        normscope.detect(str(tmp_path / "n.pt"), images="digits")
    assert str(met.value) == (
        f"a model's file must be readable, got {tmp_path / 'n.pt'}: No such file or directory. "
        "Check the path."
    )


def test_a_changed_file_is_not_the_one_of_a_specification(files, tmp_path):
    path = tmp_path / "n.pt"
    path.write_bytes((files / "n.pt").read_bytes())
    axes = {"mean": "0.1,0.2", "std": "0.3"}
    study = normscope.scan(
        "digits", model=str(path), recipe="frozen", device="cpu", out=tmp_path / "s", **axes
    )
    assert len(study.trials()) == 4  # with the references
    trial = study.specification.trial
    path.write_bytes((files / "n.pt2").read_bytes())
    with pytest.raises(NormscopeError) as met:
        check_weights(trial.model, trial.options)
    assert str(met.value).startswith(
        f"{path} must hold the weights that the specification was written for (digest "
    )
