import json

import pytest
import torch
from torchvision.models import get_model, get_model_weights

from normscope.errors import NormscopeError, UnknownName, WorkFailed
from normscope.models.building import build_model, check_model, find_library, published
from normscope.models.class_names import imagenet_ids, outputs_for_classes
from normscope.models.first_layer import find_first_layer
from normscope.models.options import ModelOptions
from normscope.normalization import IMAGENET, Normalization

SIZES = {"channels": 3, "classes": 10, "image_size": (64, 64)}
DEFAULT = ModelOptions("default")


def test_torchvision_by_name():
    check_model("resnet18", **SIZES)
    model = build_model("resnet18", **SIZES)
    assert find_first_layer(model, 3, (64, 64)) is model.conv1
    said = published("squeezenet1_1")
    assert (said.normalization, said.resize, said.crop) == (IMAGENET, 256, 224)
    assert len(said.classes) == 1000


def test_models_with_auxiliary_outputs_have_one():
    model = build_model("googlenet", channels=3, classes=4, image_size=(64, 64))
    assert model(torch.zeros(2, 3, 64, 64)).shape == (2, 4)


def test_an_unknown_name_suggests_one_of_torchvision():
    with pytest.raises(UnknownName) as met:
        build_model("resnet_18", **SIZES)
    assert str(met.value) == (
        "model must be one of lenet, lenet-bn, resnet20 or a torchvision classification model, "
        "timm/NAME, hf/NAME, package.module:factory or a path, got 'resnet_18'. "
        "Did you mean 'resnet18'?"
    )


@pytest.fixture
def cached_squeezenet(tmp_path, monkeypatch):
    """Fresh weights where torchvision keeps the ones that it has downloaded."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    model = get_model("squeezenet1_1")
    name = get_model_weights("squeezenet1_1").DEFAULT.url.rpartition("/")[2]
    torch.save(model.state_dict(), folder / name)
    return model


def test_default_weights_with_a_few_of_their_classes(cached_squeezenet):
    images = torch.rand(2, 3, 64, 64)
    expected = cached_squeezenet.eval()(images)
    some = ("n01443537", "n01440764")
    sizes = {"channels": 3, "image_size": (64, 64), "options": DEFAULT}
    model = build_model("squeezenet1_1", classes=some, **sizes).eval()
    torch.testing.assert_close(model(images), expected[:, [1, 0]])
    whole = build_model("squeezenet1_1", classes=imagenet_ids(), **sizes).eval()
    torch.testing.assert_close(whole(images), expected)
    by_words = build_model("squeezenet1_1", classes=("great_white_shark",), **sizes).eval()
    torch.testing.assert_close(by_words(images), expected[:, [2]])


def test_a_new_head_in_place_of_a_convolution(cached_squeezenet):
    options = ModelOptions("default", new_head=True)
    model = build_model("squeezenet1_1", **SIZES, options=options)
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 10)
    assert model.training


def test_a_head_that_cannot_be_replaced():
    from normscope.models.outputs import replace_head

    model = torch.nn.Sequential(torch.nn.Conv2d(3, 10, 3), torch.nn.Flatten())
    with pytest.raises(NormscopeError, match="got mine, which ends in Conv2d"):
        replace_head(model, 2, 3, (3, 3), "mine")


def test_default_weights_that_cannot_be_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    with pytest.raises(WorkFailed) as met:
        build_model("squeezenet1_1", **SIZES, options=DEFAULT)
    assert str(met.value) == (
        "the default weights of squeezenet1_1 must be in torch's cache or downloadable, got: "
        "no route to host. Fetch them by hand and pass the file to --weights."
    )


def test_own_models_have_no_default_weights():
    with pytest.raises(NormscopeError) as met:
        build_model("resnet20", **SIZES, options=DEFAULT)
    assert str(met.value) == (
        "--weights default must be used with a model whose library publishes weights, got "
        "resnet20. Give a file of weights."
    )
    assert published("resnet20") is None


def test_names_that_libraries_repeat_match_nothing():
    assert outputs_for_classes(["a", "b"], 3, ["b", "A", "c"], "m") == [1, 0]
    with pytest.raises(NormscopeError, match="got 1 classes \\(such as crane\\) and 3 outputs"):
        outputs_for_classes(["crane"], 3, ["crane", "crane", "c"], "m")
    assert outputs_for_classes(["x", "y"], 2, ["b", "a"], "m") is None


def test_timm():
    pytest.importorskip("timm")
    sizes = {"channels": 1, "classes": 4, "image_size": (32, 32)}
    check_model("timm/resnet18.a1_in1k", **sizes)
    said = published("timm/resnet18.a1_in1k")
    assert said.normalization == IMAGENET
    assert said.crop == 224
    assert published("timm/test_resnet") is None or published("timm/test_resnet").crop
    with pytest.raises(
        UnknownName, match=r"^timm/NAME must be one of a model of timm, got 'resn8'"
    ):
        find_library("timm/resn8")


def test_timm_weights_that_cannot_be_fetched(monkeypatch):
    timm = pytest.importorskip("timm")

    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(WorkFailed, match="the weights of timm/resnet18 must be in the cache or"):
        build_model("timm/resnet18", **SIZES, options=DEFAULT)


@pytest.fixture
def hf_folder(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic",
        id2label={0: "cat", 1: "dog", 2: "owl"}, label2id={"cat": 0, "dog": 1, "owl": 2},
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.ResNetForImageClassification(config).save_pretrained(tmp_path / "net")
    return tmp_path / "net"


def test_hugging_face_from_a_folder(hf_folder):
    name = f"hf/{hf_folder}"
    said = published(name)
    assert (said.classes, said.normalization) == (("cat", "dog", "owl"), None)
    (hf_folder / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]}),
        encoding="utf-8",
    )
    assert published(name).normalization == Normalization((0.5,) * 3, (0.25,) * 3)
    sizes = {"channels": 3, "image_size": (32, 32)}
    whole = build_model(name, classes=("cat", "dog", "owl"), options=DEFAULT, **sizes).eval()
    two = build_model(name, classes=("owl", "cat"), options=DEFAULT, **sizes).eval()
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(two(images), whole(images)[:, [2, 0]])
    file = ModelOptions(str(hf_folder / "model.safetensors"))
    from_file = build_model(name, classes=("a", "b", "c"), options=file, **sizes).eval()
    torch.testing.assert_close(from_file(images), whole(images))
    check_model(name, classes=7, **sizes)


def test_hugging_face_never_runs_a_repository_s_code(hf_folder, tmp_path, monkeypatch):
    config = json.loads((hf_folder / "config.json").read_text(encoding="utf-8"))
    theirs = {"model_type": "strange", "auto_map": {"AutoConfig": "code.Config"}}
    (hf_folder / "config.json").write_text(json.dumps(config | theirs), encoding="utf-8")
    (hf_folder / "code.py").write_text(
        "from pathlib import Path\n"
        "from transformers import PretrainedConfig\n"
        f"Path({str(tmp_path / 'was_run')!r}).touch()\n"
        "class Config(PretrainedConfig):\n"
        "    model_type = 'strange'\n",
        encoding="utf-8",
    )
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # as transformers would ask
    with pytest.raises(WorkFailed, match="must be a folder or a repository of an image classifier"):
        build_model(f"hf/{hf_folder}", **SIZES)
    assert not (tmp_path / "was_run").exists()


def test_hugging_face_without_a_repository(tmp_path):
    pytest.importorskip("transformers")
    with pytest.raises(WorkFailed, match="must be a folder or a repository of an image classifier"):
        build_model(f"hf/{tmp_path}", **SIZES)


@pytest.mark.parametrize(
    ("name", "module", "extra"), [("timm/x", "timm", "timm"), ("hf/x", "transformers", "hf")]
)
def test_extras_that_are_not_installed(name, module, extra, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(NormscopeError) as error:
        find_library(name)
    assert str(error.value) == (
        f"{module} must be installed for --model {name}, got none. "
        f"Run: pip install 'normscope[{extra}]'"
    )


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
@pytest.mark.parametrize("outputs", [1000, 7])
def test_auxiliary_heads_in_a_file_and_the_input_of_their_published_weights(
    name, outputs, tmp_path
):
    from safetensors.torch import save_file

    torch.manual_seed(0)
    with_heads = get_model(
        name, num_classes=outputs, aux_logits=True, init_weights=False,
        transform_input=outputs == 1000,
    ).eval()  # fmt: skip
    save_file(with_heads.state_dict(), tmp_path / "w.safetensors")
    sizes = {"channels": 3, "classes": outputs, "image_size": (80, 80)}
    options = ModelOptions(str(tmp_path / "w.safetensors"))
    images = torch.rand(2, 3, 80, 80)
    with torch.inference_mode():
        found = build_model(name, **sizes, options=options).eval()(images)
        torch.testing.assert_close(found, with_heads(images))
