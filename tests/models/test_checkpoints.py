"""Checkpoints as training scripts save them: the network's weights are found in each."""

import argparse
import os
import pathlib
import shutil
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from normscope.errors import NormscopeError
from normscope.models.building import build_model
from normscope.models.options import ModelOptions
from normscope.models.resnet20 import ResNet20


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(1)
    return ResNet20().state_dict()


def built(path: pathlib.Path) -> dict[str, torch.Tensor]:
    options = ModelOptions(str(path))
    size = {"channels": 3, "classes": 10, "image_size": (32, 32)}
    return build_model("resnet20", **size, options=options).state_dict()


def within(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


def other(state):
    return {name: tensor + 1 for name, tensor in state.items()}


ARGUMENTS = argparse.Namespace(lr=0.1, output_dir=pathlib.PurePosixPath("runs"), loss=partial(max))
AVERAGED = {"n_averaged": torch.tensor(7)}

SAVED = {
    "lightning": lambda s: {
        "state_dict": within("model.", s),
        "hyper_parameters": {"lr": 0.1},
        "callbacks": {"ModelCheckpoint": {"best_k_models": {"a.ckpt": torch.tensor(0.9)}}},
        "epoch": 3,
    },
    "lightning, compiled": lambda s: {"state_dict": within("model._orig_mod.", s)},
    "a compiled part": lambda s: {n.replace("r2.", "r2._orig_mod."): t for n, t in s.items()},
    "an averaged model": lambda s: AVERAGED | within("module.", s),
    "torchvision's scripts": lambda s: {"model": s, "optimizer": {}, "args": ARGUMENTS},
    "timm's scripts": lambda s: {"state_dict": s, "args": ARGUMENTS, "metric": np.float64(0.9)},
    "scores of NumPy": lambda s: {"net": s, "losses": np.zeros(3)},
    "DeepSpeed": lambda s: {"module": within("module.", s), "ds_version": "0.16"},
    "another key": lambda s: {"student": s, "optimizer": {"state": {0: {"step": torch.ones(1)}}}},
    "twice wrapped": lambda s: {"model": {"state_dict": s, "arch": "resnet20"}},
}  # fmt: skip


@pytest.mark.parametrize("script", SAVED)
def test_weights_are_found_in_what_scripts_save(script, state, tmp_path):
    path = tmp_path / "last.ckpt"
    torch.save(SAVED[script](state), path)
    loaded = built(path)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize("name", ["W.SAFETENSORS", "w.sft", "blob"])
def test_safetensors_are_known_by_their_content(name, state, tmp_path):
    save_file(within("model.", state), tmp_path / "w.safetensors")
    shutil.move(tmp_path / "w.safetensors", tmp_path / name)
    assert torch.equal(built(tmp_path / name)["conv1.weight"], state["conv1.weight"])


def test_averaged_weights_beside_others_are_said(state, tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"model_ema": AVERAGED | within("module.", other(state)), "model": state}, path)
    with pytest.warns(RuntimeWarning) as met:
        loaded = built(path)
    assert str(met[0].message) == (
        f"{path} holds weights under model and model_ema: those under model are taken. For others: "
        "torch.save(torch.load(FILE)['model_ema'], 'weights.pth')."
    )
    assert torch.equal(loaded["conv1.weight"], state["conv1.weight"])


def test_what_is_left_out_beside_the_network_is_said(state, tmp_path):
    path = tmp_path / "w.ckpt"
    torch.save({"state_dict": within("net.", state) | {"loss.weight": torch.ones(10)}}, path)
    with pytest.warns(RuntimeWarning) as met:
        built(path)
    assert str(met[0].message) == (
        f"of {path} the 97 tensors of net. are the network; 1 other is left out: loss.weight."
    )


def test_a_teacher_and_a_student_are_not_chosen_between(state, tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"teacher": other(state), "student": state}, path)
    with pytest.raises(NormscopeError) as met:
        built(path)
    assert str(met.value) == (
        f"{path} must hold one network's weights, got several, under teacher and student. Save the "
        "one that is meant: torch.save(torch.load(FILE)['teacher'], 'weights.pth')."
    )
    save_file(within("teacher.", other(state)) | within("student.", state), tmp_path / "w.sft")
    with pytest.raises(NormscopeError) as met:
        built(tmp_path / "w.sft")
    assert str(met.value) in {
        f"{tmp_path / 'w.sft'} must hold the network once, got it under {names}. "
        "Save one: its module's own state_dict()."
        for names in ("teacher. and student.", "student. and teacher.")
    }


def test_what_is_missing_behind_a_prefix_is_named(state, tmp_path):
    path = tmp_path / "w.ckpt"
    kept = {name: tensor for name, tensor in state.items() if name != "linear.bias"}
    torch.save({"state_dict": within("model.", kept)}, path)
    with pytest.raises(NormscopeError) as met:
        built(path)
    assert str(met.value) == (
        f"the weights of {path} must fit resnet20, got 1 tensor that does not: linear.bias is "
        "missing. Choose the model that they were saved from."
    )


class Runs:
    """Would call a function when it is unpickled."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        function, *arguments = self.call
        return function, tuple(arguments)


def test_nothing_in_a_checkpoint_is_run(state, tmp_path):
    path, written = tmp_path / "w.pth", tmp_path / "written"
    torch.save({"state_dict": state, "args": Runs(shutil.copy, __file__, str(written))}, path)
    built(path)
    torch.save({"state_dict": state, "args": Runs(os.mkdir, str(written))}, path)
    with pytest.raises(NormscopeError, match="must hold tensors alone"):
        built(path)
    assert not written.exists()
