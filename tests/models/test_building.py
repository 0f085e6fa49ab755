from __future__ import annotations

import pytest
import torch
from torch import nn

from normscope.errors import NormscopeError, UnknownName
from normscope.models.building import build_model, check_model

SIZES = {"channels": 3, "classes": 2, "image_size": (12, 12)}


@pytest.fixture
def factories(tmp_path, monkeypatch):
    (tmp_path / "my_models.py").write_text(
        """
from torch import nn

class Net(nn.Module):
    def __init__(self, classes, channels):
        super().__init__()
        self.layer = nn.Conv2d(channels, classes, 3)

class Nested:
    @staticmethod
    def plain():
        return nn.Identity()

def not_a_module(image_size):
    return image_size

def broken():
    raise RuntimeError("no luck")

def three_outputs():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(3))

class Picky(nn.Module):
    def forward(self, images):
        raise ValueError("too small")

def no_weights():
    return nn.Sequential(nn.AdaptiveAvgPool2d((1, 2)), nn.Flatten(), nn.Unflatten(1, (3, 2)),
                         nn.AdaptiveAvgPool2d((1, 2)), nn.Flatten())

number = 3
""",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_factory_gets_what_its_signature_names(factories):
    layer = build_model("my_models:Net", **SIZES).layer
    assert (layer.in_channels, layer.out_channels) == (3, 2)


def test_a_factory_in_a_namespace(factories):
    assert isinstance(build_model("my_models:Nested.plain", **SIZES), nn.Identity)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "my_models:not_a_module",
            "model factory my_models:not_a_module must return a torch.nn.Module, got tuple. "
            "Return the network.",
        ),
        (
            "my_models:broken",
            "model factory my_models:broken must build a network, got RuntimeError: no luck. "
            "Mend the factory.",
        ),
        (
            "my_models:number",
            "model factory my_models:number must be callable, got int. "
            "Name a class or function that returns the network.",
        ),
        (
            "my_models:missing",
            "model factory my_models:missing must import, got AttributeError: module 'my_models' "
            "has no attribute 'missing'. Check the module's and the factory's names.",
        ),
        (
            "no_such_module:Net",
            "model factory no_such_module:Net must import, got ModuleNotFoundError: No module "
            "named 'no_such_module'. Check the module's and the factory's names.",
        ),
    ],
)
def test_factories_that_do_not_work(factories, name, sentence):
    with pytest.raises(NormscopeError) as error:
        build_model(name, **SIZES)
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("net.py", "Write net:FACTORY with the factory's name."),
        ("net.py:Net", "Write net:Net."),
        ("./nets/own.py:Net.small", "Write nets.own:Net.small."),
        ("../net.py:Net", "Write net:Net, and put .. on PYTHONPATH."),
    ],
)
def test_the_path_of_a_factory_is_told_its_name(tmp_path, monkeypatch, name, advice):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NormscopeError) as error:
        build_model(name, **SIZES)
    assert str(error.value) == (
        f"model factory must be package.module:factory, got the path {name}. {advice}"
    )


def test_unknown_model_suggests_the_nearest():
    with pytest.raises(UnknownName) as error:
        build_model("lnet", **SIZES)
    assert str(error.value) == (
        "model must be one of lenet, lenet-bn, resnet20 or a torchvision classification model, "
        "timm/NAME, hf/NAME, package.module:factory or a path, got 'lnet'. Did you mean 'lenet'?"
    )


def test_a_model_that_refuses_the_images():
    with pytest.raises(NormscopeError, match="^lenet must be given images of at least"):
        build_model("lenet", channels=1, classes=2, image_size=(4, 4))


def test_a_model_that_fits(factories):
    before = torch.get_rng_state()
    check_model("lenet", **SIZES)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "my_models:three_outputs",
            "model my_models:three_outputs must give one output for each of the 2 classes, shape "
            "(1, 2), got (1, 3). Mend the model's last layer.",
        ),
        (
            "my_models:Picky",
            "model my_models:Picky must take images of shape (1, 3, 12, 12), got "
            "ValueError: too small. Mend the model, or use images that it takes.",
        ),
        (
            "my_models:no_weights",
            "model my_models:no_weights must have weights to train, got none. Mend the model.",
        ),
    ],
)
def test_models_that_do_not_fit(factories, name, sentence):
    with pytest.raises(NormscopeError) as error:
        check_model(name, **SIZES)
    assert str(error.value) == sentence
