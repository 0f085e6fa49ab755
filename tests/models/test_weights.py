import collections
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from normscope.errors import NormscopeError
from normscope.models.batchnorm import has_batchnorm
from normscope.models.building import build_model, check_model
from normscope.models.options import ModelOptions
from normscope.models.resnet20 import ResNet20
from normscope.models.weights import read_weights, weights_digest
from normscope.trials.plain_data import converter

SIZES = {"channels": 3, "classes": 10, "image_size": (32, 32)}


@pytest.fixture
def network() -> ResNet20:
    torch.manual_seed(1)
    return ResNet20()


def built(path: Path, **options) -> torch.nn.Module:
    return build_model("resnet20", **SIZES, options=ModelOptions(str(path), **options))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": {f"module.{k}": v for k, v in state.items()}},
        lambda state: collections.OrderedDict(
            (f"_orig_mod.module.{k}", v) for k, v in state.items()
        ),
    ],
)
def test_torch_files_with_their_usual_wrappings(network, tmp_path, wrap):
    path = tmp_path / "weights.pth"
    torch.save(wrap(network.state_dict()), path)
    loaded = built(path)
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)


def test_safetensors_without_batch_counters(network, tmp_path):
    state = {k: v for k, v in network.state_dict().items() if "num_batches" not in k}
    save_file(state, tmp_path / "w.safetensors")
    assert torch.equal(built(tmp_path / "w.safetensors").conv1.weight, network.conv1.weight)


def test_a_pickle_that_needs_code_is_refused(network, tmp_path):
    path = tmp_path / "whole.pth"
    torch.save(network, path)
    with pytest.raises(NormscopeError) as met:
        read_weights(path)
    assert str(met.value) == (
        f"{path} must hold tensors alone, got a pickle that would have to run code to load, or no "
        "pickle at all. "
        "Where you trust it, convert it once: safetensors.torch.save_file("
        "torch.load(FILE, weights_only=False).state_dict(), 'weights.safetensors')."
    )


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("cut.safetensors", b"123", "must be a whole safetensors file, got: "),
        ("noise.pth", b"123", "must hold tensors alone, got a pickle that .*, or no pickle at all"),
        ("noise.pth", b"", "must be a safetensors file or a state dict saved by torch"),
    ],
)
def test_files_that_are_no_weights(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NormscopeError, match=sentence):
        read_weights(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([torch.zeros(1)], "must hold a state dict (tensors by name), got list. "),
        ({}, "must hold a state dict (tensors by name), got an empty one. "),
        ({"a": torch.zeros(1), "lr": 0.1}, "got other values under lr. Save model.state_dict()."),
    ],
)
def test_contents_that_are_no_state_dict(tmp_path, content, sentence):
    torch.save(content, tmp_path / "c.pt")
    with pytest.raises(NormscopeError) as met:
        read_weights(tmp_path / "c.pt")
    assert sentence in str(met.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(NormscopeError) as met:
        weights_digest(tmp_path / "none.pt")
    assert str(met.value) == (
        f"--weights must be a readable file or 'default', got {tmp_path / 'none.pt'}: "
        "No such file or directory. Check the path."
    )


def test_weights_that_do_not_fit_are_listed(network, tmp_path):
    state = network.state_dict()
    state["conv1.weight"] = torch.zeros(16, 4, 3, 3)
    state["extra"] = torch.zeros(1)
    del state["linear.bias"]
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(NormscopeError) as met:
        built(tmp_path / "w.pt")
    assert str(met.value) == (
        f"the weights of {tmp_path / 'w.pt'} must fit resnet20, got 3 tensors that do not: "
        "conv1.weight has shape (16, 4, 3, 3) in place of (16, 3, 3, 3); linear.bias is missing; "
        "extra is not in the network. Choose the model that they were saved from."
    )


def test_many_faults_are_cut_short(tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(NormscopeError, match=r"got 98 tensors that do not: .*; and 93 more\. "):
        built(tmp_path / "w.pt")


def test_another_number_of_outputs_needs_names_or_a_new_head(network, tmp_path):
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    options = ModelOptions(str(tmp_path / "w.safetensors"))
    names = ("cat", "dog")
    with pytest.raises(NormscopeError) as met:
        build_model("resnet20", channels=3, classes=names, image_size=(32, 32), options=options)
    assert str(met.value) == (
        "the classes of the images must be among the outputs of resnet20, got 2 classes (such as "
        "cat) and 10 outputs, which cannot be matched by name. Name the folders as the network's "
        "classes are (ImageNet's ids), or train with --new-head."
    )
    fresh = ModelOptions(options.weights, new_head=True)
    sizes = {"channels": 3, "classes": names, "image_size": (32, 32), "options": fresh}
    check_model("resnet20", **sizes)
    model = build_model("resnet20", **sizes)
    assert model.linear.out_features == 2
    assert torch.equal(model.conv1.weight, network.conv1.weight)


def test_batchnorm_left_out_of_weights_that_were_trained_without_it(tmp_path):
    without = build_model("resnet20", **SIZES, options=ModelOptions(batchnorm=False))
    assert not has_batchnorm(without)
    assert without.layer1[0].conv2.bias is not None
    save_file(without.state_dict(), tmp_path / "w.safetensors")
    loaded = built(tmp_path / "w.safetensors", batchnorm=False)
    assert torch.equal(loaded.conv1.weight, without.conv1.weight)


def test_no_batchnorm_where_there_is_none():
    with pytest.raises(NormscopeError) as met:
        build_model("lenet", **SIZES, options=ModelOptions(batchnorm=False))
    assert str(met.value) == (
        "--no-batchnorm must be used with a network that has BatchNorm, got lenet without any. "
        "Leave the option out."
    )


def test_no_batchnorm_with_a_librarys_weights():
    with pytest.raises(NormscopeError, match="--no-batchnorm must be used without --weights def"):
        build_model("resnet18", **SIZES, options=ModelOptions("default", batchnorm=False))


def test_lenet_bn_starts_from_the_same_weights_as_lenet():
    models = []
    for name in ("lenet", "lenet-bn"):
        torch.manual_seed(3)
        models.append(build_model(name, channels=1, classes=10, image_size=(28, 28)))
    assert has_batchnorm(models[1])
    assert not has_batchnorm(models[0])
    assert torch.equal(models[0].fc2.weight, models[1].fc2.weight)


def test_options_read_back():
    options = ModelOptions("w.pt", "abc", new_head=True, batchnorm=False)
    assert converter.structure(converter.unstructure(options), ModelOptions) == options
    assert converter.unstructure(ModelOptions()) == {}


def test_weights_that_are_not_finite(network, tmp_path):
    path = tmp_path / "diverged.safetensors"
    state = network.state_dict()
    first = next(name for name in state if name.endswith("running_var"))
    save_file({**state, first: state[first] * torch.inf}, path)
    with pytest.raises(NormscopeError) as met:
        built(path)
    total = len([n for n in state if not n.endswith("num_batches_tracked")])
    assert str(met.value) == (
        f"the weights of {path} must be finite, got nan or inf in 1 of {total} tensors, such as "
        f"{first}. Fetch the file again, or take an earlier checkpoint."
    )
