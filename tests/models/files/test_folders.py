"""Folders of Hugging Face and timm as models."""

import itertools
import json
import os

import pytest
import torch
from safetensors.torch import save_file

from normscope.errors import NormscopeError, WorkFailed
from normscope.models.building import build_model, published
from normscope.models.options import ModelOptions
from normscope.models.trained import build_trained
from normscope.normalization import Normalization
from normscope.trials.chosen_model import check_weights, model_options

SIZES = {"channels": 3, "classes": 3, "image_size": (32, 32)}
HALF_QUARTER = Normalization((0.5,) * 3, (0.25,) * 3)


@pytest.fixture
def timm_folder(tmp_path):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=3).eval()
    folder = tmp_path / "timm"
    folder.mkdir()
    save_file(network.state_dict(), folder / "model.safetensors")
    stated = {
        "mean": HALF_QUARTER.mean, "std": HALF_QUARTER.std, "input_size": [3, 96, 96],
        "crop_pct": 0.75, "num_classes": 3, "pool_size": [1, 1], "first_conv": "conv1",
        "classifier": "fc", "interpolation": "bicubic",
    }  # fmt: skip
    configuration = {
        "architecture": "test_resnet", "num_classes": 3, "label_names": ["cat", "dog", "owl"],
        "pretrained_cfg": stated,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(configuration), encoding="utf-8")
    return folder, network


@pytest.fixture
def hf_folder(tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    configuration = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic", num_labels=3
    )
    network = transformers.ResNetForImageClassification(configuration).eval()
    network.save_pretrained(tmp_path / "hf")
    return tmp_path / "hf", network


@pytest.mark.parametrize("prefix", ["", "hf/", "timm/local-dir:"])
def test_a_folder_of_timm(timm_folder, prefix):
    folder, network = timm_folder
    name = f"{prefix}{folder}"
    options = ModelOptions("default") if prefix else ModelOptions()
    images = torch.rand(2, 3, 32, 32)
    found = build_model(name, **SIZES, options=options).eval()
    torch.testing.assert_close(found(images), network(images))
    said = published(name)
    assert (said.normalization, said.resize, said.crop) == (HALF_QUARTER, 128, 96)
    assert said.classes == ("cat", "dog", "owl")
    by_name = build_model(name, **SIZES | {"classes": ("owl", "cat")}, options=options).eval()
    torch.testing.assert_close(by_name(images), network(images)[:, [2, 0]])


def test_a_folder_of_hugging_face(hf_folder):
    folder, network = hf_folder
    images = torch.rand(2, 3, 32, 32)
    found = build_model(str(folder), **SIZES).eval()
    torch.testing.assert_close(found(images), network(images).logits)


def test_a_repository_s_name_is_handed_to_timm(timm_folder, monkeypatch):
    import timm

    _folder, network = timm_folder
    asked = []

    def create_model(name, **chosen):
        asked.append((name, chosen))
        return network

    monkeypatch.setattr(timm, "create_model", create_model)
    build_model("timm/hf-hub:someone/net", **SIZES, options=ModelOptions("default"))
    assert asked == [("hf-hub:someone/net", {"pretrained": True})]


def test_folders_that_hold_no_model(tmp_path, hf_folder):
    with pytest.raises(NormscopeError) as met:
        build_model(str(tmp_path), **SIZES)
    assert str(met.value) == (
        "a model's folder must hold config.json and a file of weights, as Hugging Face's and "
        f"timm's do, got {tmp_path} without. Name the file or the folder that holds the model."
    )
    (tmp_path / "config.json").write_text('{"a": 1}', encoding="utf-8")
    with pytest.raises(NormscopeError) as met:
        build_model(str(tmp_path), **SIZES)
    assert str(met.value) == (
        f"{tmp_path / 'config.json'} must say model_type (transformers) or architecture (timm), "
        "got keys a. Fetch the whole folder again."
    )
    folder, _ = hf_folder
    (folder / "model.safetensors").rename(tmp_path / "elsewhere")
    with pytest.raises(NormscopeError) as met:
        build_model(str(folder), **SIZES)
    assert str(met.value) == (
        f"{folder} must hold its weights as safetensors, got a configuration without. Put "
        "model.safetensors beside it."
    )


def test_a_folder_in_the_working_folder(tmp_path, monkeypatch, hf_folder):
    def built(name):
        build_model(name, **SIZES)

    def trained(name):
        build_trained(name, None, normalized_channels=3, channels=3, image_size=(32, 32))

    monkeypatch.chdir(tmp_path)
    (tmp_path / "net").mkdir()
    for name, build in itertools.product(("net", "./net"), (built, trained)):
        with pytest.raises(NormscopeError) as met:
            build(name)
        assert str(met.value) == (
            "a model's folder must hold config.json and a file of weights, as Hugging Face's and "
            "timm's do, got net with nothing in it. Name the file or the folder that holds the "
            "model."
        )
    with pytest.raises(NormscopeError) as met:
        build_model("hf", **SIZES)
    assert str(met.value) == (
        "a model's folder must be named by a path, got hf, which could be a model's name. "
        f"Write .{os.sep}hf."
    )


def test_weights_that_do_not_fit_a_folder(timm_folder):
    folder, _ = timm_folder
    save_file({"a": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(WorkFailed, match="must be those of a model that timm .* knows, got Runtim"):
        build_model(str(folder), **SIZES)


def test_a_digest_stands_for_what_a_folder_holds(timm_folder):
    folder, _ = timm_folder
    options = model_options(str(folder), None)
    check_weights(str(folder), options)
    save_file({"a": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(NormscopeError) as met:
        check_weights(str(folder), options)
    assert str(met.value).startswith(
        f"{folder} must hold the weights that the specification was written for (digest "
    )
