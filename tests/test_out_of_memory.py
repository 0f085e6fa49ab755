"""A device whose memory does not suffice: one sentence, and what is finished stays."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import normscope
from normscope.cli.app import run
from normscope.errors import NormscopeError
from normscope.studies.study import Study
from normscope.system_errors import in_sentences

FULL = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of "
    "which 1.20 GiB is free."
)
SENTENCE = (
    "the work must fit the memory that is free, got: CUDA out of memory. Tried to allocate 2.00 "
    "GiB. End what else holds memory, or use smaller images (--resize, --crop) or a smaller model, "
    "or use --device cpu."
)


class Large(nn.Module):
    """Fits its device for a while."""

    steps = int(os.environ.get("STEPS_THAT_FIT", "0"))

    def __init__(self, channels=3):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(4, 2),
        )  # fmt: skip

    def forward(self, images):
        if len(images) > 1:
            Large.steps -= 1
            if Large.steps < 0:
                raise torch.OutOfMemoryError(FULL)
        return self.layers(images)


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(60):
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(
                tmp_path / "photos" / name / f"{i}.png"
            )
    return str(tmp_path / "photos")


@pytest.fixture
def weights(tmp_path):
    torch.save(Large().state_dict(), tmp_path / "w.pth")
    return str(tmp_path / "w.pth")


MODEL = f"{__name__}:Large"


@pytest.mark.parametrize(
    "call",
    [
        ["train", "PHOTOS", "--model", MODEL, "--epochs=2", "--norm=half", "--recipe=lenet"],
        ["train", "PHOTOS", "--model", MODEL, "--epochs=2", "--norm=half", "--recipe=lenet",
         "--trainer=plain"],
        ["train", "PHOTOS", "--model", MODEL, "--recipe=frozen", "--weights", "WEIGHTS",
         "--norm=half"],
        ["check", MODEL, "--weights", "WEIGHTS", "--images", "PHOTOS", "--norm=half"],
        ["audit", MODEL, "--weights", "WEIGHTS", "--images", "PHOTOS", "--norm=half"],
        ["detect", MODEL, "--weights", "WEIGHTS", "--images", "PHOTOS"],
    ],
)  # fmt: skip
def test_commands(photos, weights, capsys, call):
    Large.steps = 0 if "WEIGHTS" in call else 1
    paths = {"PHOTOS": photos, "WEIGHTS": weights}
    assert run([paths.get(word, word) for word in call]) == 2
    assert f"normscope: {SENTENCE}\n" in capsys.readouterr().err


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_finished_stays(photos, tmp_path, capsys, monkeypatch, workers):
    monkeypatch.setenv("STEPS_THAT_FIT", "8")  # for workers
    Large.steps = 8
    said = ["scan", photos, "--model", MODEL, "--mean=0,0.5", "--std=0.5,1", "--seeds=1"]
    said += ["--epochs=1", "--recipe=lenet", "--trainer=plain", f"--workers={workers}"]
    said += ["--out", str(tmp_path / "scan")]
    assert run(said) == 2
    assert f"normscope: {SENTENCE}\n" in capsys.readouterr().err
    kept = len(Study.open(tmp_path / "scan").trials())
    assert 0 < kept < 5
    Large.steps = 1000
    monkeypatch.setenv("STEPS_THAT_FIT", "1000")
    assert run(said) == 0
    assert len(Study.open(tmp_path / "scan").trials()) == 5


def test_python_callers(photos):
    Large.steps = 0
    with pytest.raises(NormscopeError) as error:
        normscope.train(photos, model=MODEL, epochs=1, norm="half", recipe="lenet")
    assert "CUDA out of memory. Tried to allocate 2.00 GiB. " in str(error.value)


def test_memory_of_the_machine():
    with pytest.raises(NormscopeError) as error, in_sentences():
        np.empty(2**62, np.uint8)
    assert str(error.value) == (
        "the work must fit the memory that is free, got: Unable to allocate 4.00 EiB for an array "
        "with shape (4611686018427387904,) and data type uint8. End what else holds memory, or use "
        "smaller images (--resize, --crop) or a smaller model."
    )
    with pytest.raises(RuntimeError, match="^another$"), in_sentences():
        raise RuntimeError("another")
