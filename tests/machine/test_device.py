"""Devices that are not here, by doubles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

import normscope
from normscope.machine.cores import available_cores
from normscope.machine.device import wide_dtype
from normscope.models.lenet import LeNet
from normscope.models.options import ModelOptions
from normscope.trials.recipe import FROZEN
from normscope.trials.running import run_trial
from normscope.trials.seeding import unchanged_draws


def test_cores_are_those_that_joblib_counts(monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert available_cores() == 1


def test_apples_gpus_add_in_float32():
    assert wide_dtype("mps") == torch.float32
    assert wide_dtype("cpu") == wide_dtype("cuda") == torch.float64


class WithoutFloat64(TorchFunctionMode):
    """The CPU as a device that, like Apple's GPUs, refuses float64, unless copied to the host."""

    def __torch_function__(self, function, _types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        if function is torch.Tensor.cpu:
            made = made.clone()
            made.on_host = True
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        if any(leaf.dtype == torch.float64 or hasattr(leaf, "on_host") for leaf in given):
            return made
        for leaf in tree_leaves(made):
            if isinstance(leaf, torch.Tensor) and leaf.dtype == torch.float64:
                raise TypeError(f"{function} makes float64, which this device does not support")
        return made


@pytest.fixture
def narrow(monkeypatch):
    """Lets this device pass for one without float64."""
    for module in ("train", "frozen", "fast.general"):
        monkeypatch.setattr(f"normscope.trials.{module}.wide_dtype", lambda _: torch.float32)


@pytest.mark.parametrize(
    ("trainer", "model"), [("plain", "lenet"), ("fast", "lenet-bn"), ("plain", "resnet20")]
)
def test_trainings_need_no_float64(narrow, few_digits, spec, trainer, model):
    trial = replace(spec, trainer=trainer, model=model)
    expected = run_trial(trial, few_digits)
    with WithoutFloat64():
        found = run_trial(trial, few_digits)
    assert found.correct == expected.correct
    assert found.loss == pytest.approx(expected.loss)


@pytest.mark.parametrize("trainer", ["plain", "fast"])
def test_a_frozen_network_needs_no_float64(narrow, few_digits, spec, tmp_path, trainer):
    torch.manual_seed(0)
    save_file(LeNet(1, 10, few_digits.image_size).state_dict(), tmp_path / "w.safetensors")
    options = ModelOptions(str(tmp_path / "w.safetensors"))
    trial = replace(spec, recipe=FROZEN, options=options, trainer=trainer)
    expected = run_trial(trial, few_digits)
    with WithoutFloat64():
        found = run_trial(trial, few_digits)
    assert found.correct == expected.correct
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)


def test_detection_solves_its_equations_where_there_is_float64(monkeypatch):
    from tests.recorded.networks import images, met_half

    monkeypatch.setattr("normscope.detection.detecting.resolve_device", lambda _: "mps")
    shown = np.asarray(images())
    assert normscope.detect(met_half(), images=shown).verdict == "half"


def test_apples_generator_is_put_back(monkeypatch):
    # torch.mps has no current_device, and fork_rng cannot ask it for a state by number.
    state = [torch.tensor([1, 2], dtype=torch.uint8)]
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: state[-1])
    monkeypatch.setattr(torch.mps, "set_rng_state", state.append)
    with unchanged_draws("mps"):
        torch.rand(1)
    assert len(state) == 2
    assert state[1] is state[0]
