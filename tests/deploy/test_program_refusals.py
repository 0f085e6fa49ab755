"""What is no exact fold of a program, or no sensible one, is said in a sentence."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional

from normscope.cli.app import run
from normscope.deploy import torch_kinds
from tests.deploy.programs import Turned, loaded, made, norm, rest, write
from tests.deploy.refusals import no_fold, said


class Shifted(Turned):
    def forward(self, images):
        return self.rest((images - 0.5) / 0.25)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.rest = nn.Conv2d(3, 3, 3), nn.Sequential(*rest(3))

    def forward(self, images):
        return self.rest(self.first(self.first(images)))


class Both(Twice):
    def __init__(self):
        super().__init__()
        self.second = nn.Conv2d(3, 3, 3)

    def forward(self, images):
        return self.rest(self.first(images) + self.second(images))


class Computed(Twice):
    def forward(self, images):
        weight = self.first.weight
        return self.rest(functional.conv2d(images, weight / weight.norm()))


class Ones(Twice):
    def forward(self, images):
        return self.rest(self.first(functional.pad(images, (1, 1, 1, 1), value=1.0)))


class Products(Twice):
    def forward(self, images):
        flat = images.flatten(2)
        return self.rest(torch.bmm(flat, flat.transpose(1, 2)).unsqueeze(1).expand(-1, 3, -1, -1))


class Quantized(Twice):
    def forward(self, images):
        quantized = torch.quantize_per_tensor(images, 0.1, 0, torch.quint8)
        return self.rest(self.first(quantized.dequantize()))


class Again(Twice):
    """Reads the pixels behind its layer too."""

    def forward(self, images):
        return self.rest(self.first(images)) + images.mean()


def transposed():
    return nn.Sequential(nn.ConvTranspose2d(3, 6, 3), *rest())


def without_statistics():
    return nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), *rest(3))


def without_weights():
    return nn.Sequential(nn.BatchNorm2d(3, affine=False), *rest(3))


@pytest.mark.parametrize(
    ("build", "met"),
    [
        (Shifted, "the network computes with the pixels by 'sub'"),
        (
            Twice,
            "the weights of its first layer are computed while it runs, or shared",
        ),
        (
            Computed,
            "the weights of its first layer are computed while it runs, or shared",
        ),
        (Both, "2 operations do, where a file may have one (_convolution, _convolution)"),
        (Ones, "the network computes with the pixels by 'constant_pad_nd'"),
        (Products, "the network computes with the pixels by 'bmm'"),
        (Quantized, "the network computes with the pixels by 'quantize_per_tensor'"),
        (Again, "the network computes with the pixels by 'mean'"),
        (transposed, "a transposed convolution reads them"),
        (
            without_statistics,
            "its first layer is a BatchNorm without running statistics of its own",
        ),
        (without_weights, "its first layer is a BatchNorm without weights"),
    ],
)
def test_no_exact_fold(tmp_path, capsys, build, met):
    torch.manual_seed(0)
    source = write(build().eval(), "traced", tmp_path / "x.pt")
    out = tmp_path / "raw.pt"
    out.write_text("an older file")
    found = said(capsys, source, "--norm", norm(3), "-o", out, "--image-size", "16")
    assert found == no_fold(met)
    assert out.read_text() == "an older file"
    assert {p.name for p in tmp_path.iterdir()} == {"x.pt", "raw.pt"}


def test_no_exact_fold_of_a_program_of_torch_export(tmp_path, capsys):
    source = write(Shifted().eval(), "pt2", tmp_path / "x.pt2")
    assert said(capsys, source, "--norm", "half", "-o", tmp_path / "raw.pt2") == no_fold(
        "the network computes with the pixels by 'sub'"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["x.pt2"]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write(made("padded"), "traced", tmp_path_factory.mktemp("x") / "x.pt")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ["--norm", "half", "-o", "{folder}/raw.onnx"],
            "--out must end in .pt, .pth, .ts or .torchscript, since the program of {source} is "
            "folded as it is, got {folder}/raw.onnx. Choose another name.",
        ),
        (
            ["--norm", "half", "-o", "{folder}/no/raw.pt"],
            "--out must lie in an existing folder, got {folder}/no/raw.pt. Make {folder}/no first.",
        ),
        (
            ["--norm", "half", "-o", "{source}"],
            "--out must be another file than the one that is read, got {source} for both. Choose "
            "another --out.",
        ),
        (
            ["--norm", "half", "-o", "{folder}/raw.pt", "--weights", "w.pt"],
            "--weights must be used with a model's name, got {source}, which brings its own. Leave "
            "it out.",
        ),
        (
            ["--norm", "half", "-o", "{folder}/raw.pt", "--image-size", "0"],
            "--image-size must be at least 1 pixel, got 0. Give a larger number.",
        ),
        (
            ["--norm", "half", "-o", "{folder}/raw.pt", "--channels", "grey"],
            "the model must take images of shape (1, 224, 224), got: Given groups=1, weight of "
            "size [6, 3, 5, 5], expected input[2, 1, 224, 224] to have 3 channels, but got 1 "
            "channels instead. Give its --image-size and --channels.",
        ),
        (
            ["--norm", "half", "-o", "{folder}/raw.pt", "--image-size", "1"],
            "the model must take images of shape (3, 1, 1), got: Calculated padded input size per "
            "channel: (5 x 3). Kernel size: (5 x 5). Kernel size can't be greater than actual "
            "input size. Give its --image-size and --channels.",
        ),
        (
            ["--norm", "0.5/1e-40", "-o", "{folder}/raw.pt", "--image-size", "16"],
            "--norm 0.5/1e-40 must leave numbers that float32 holds, got some that are infinite "
            "once folded. Check the mean and the std.",
        ),
        (
            ["--norm", "model", "-o", "{folder}/raw.pt"],
            "--norm model must be used with a model whose library says what its weights expect, "
            "got {source}. Give MEAN/STD, or find it with normscope detect.",
        ),
    ],
)
def test_bad_input(tmp_path, capsys, source, options, sentence):
    names = {"folder": tmp_path, "source": source}
    found = said(capsys, source, *(text.format(**names) for text in options))
    assert found == sentence.format(**names)
    assert list(tmp_path.iterdir()) == []


def test_several_inputs(tmp_path, capsys):
    class Two(nn.Module):
        def forward(self, images, other):
            return images.mean((2, 3)) + other

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = (torch.zeros(2, 3, 8, 8), torch.zeros(2, 3))
        torch.jit.save(torch.jit.trace(Two(), given), tmp_path / "x.pt")
    path = tmp_path / "x.pt"
    assert said(capsys, path, "--norm", "half", "-o", tmp_path / "raw.pt") == (
        f"{path} must have one input, a batch of images, got 2 (images, other). Export the part of "
        "it that takes images alone."
    )


def test_a_file_that_answers_otherwise_is_not_written(tmp_path, capsys, source, monkeypatch):
    def other(_, path):
        with torch.no_grad():
            script = loaded(path)
            next(script.parameters()).mul_(1.01)
        return script

    monkeypatch.setattr(torch_kinds.ScriptKind, "read_back", other)
    call = ["fold", str(source), "--norm", "half", "-o", str(tmp_path / "raw.pt")]
    assert run([*call, "--image-size", "16"]) == 1
    err = capsys.readouterr().err
    assert err.startswith(
        "normscope: the file must give the outputs of what was written into it, got a difference of"
    )
    assert err.endswith("Nothing was written; fold the network that it was exported from.\n")
    assert list(tmp_path.iterdir()) == []
