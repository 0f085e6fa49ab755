from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_sample_images
from torch import nn

import normscope
from normscope.cli.app import run
from normscope.models.building import build_model
from normscope.models.options import ModelOptions
from normscope.normalization import IMAGENET
from tests.cli.test_bad_input import little_space

WEIGHTS = os.environ.get("NORMSCOPE_WEIGHTS")
os.environ.setdefault("KERAS_BACKEND", "torch")


@pytest.fixture(scope="module")
def lenet(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("lenet") / "lenet.safetensors"
    save_file(build_model("lenet", channels=1, classes=10, image_size=(28, 28)).state_dict(), path)
    return path


def test_fold_says_what_the_file_takes_and_how_it_compares(lenet, tmp_path, capsys):
    out = tmp_path / "raw.safetensors"
    assert run(["fold", "lenet", "--weights", str(lenet), "--norm", "half", "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert f"{out} takes pixels of 0..255. Folded 0.5/0.5 into conv1 (Convolution)." in said
    assert f'Open it with normscope.load_folded("{out}"); raw.json belongs to it.' in said
    assert out.exists()


@pytest.mark.parametrize("norm", ["0.5/1e-40", "1e39/0.5"])
def test_constants_that_float32_cannot_hold(lenet, tmp_path, capsys, norm):
    out = tmp_path / "raw.safetensors"
    assert run(["fold", "lenet", "--weights", str(lenet), "--norm", norm, "-o", str(out)]) == 2
    assert f"--norm {norm} must leave numbers that float32 holds" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("model", ["lenet", "normscope.models.lenet:LeNet"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt2"])
def test_what_is_said_opens_the_file(lenet, model, suffix, tmp_path, capsys):
    out = tmp_path / f"raw{suffix}"
    size = ["--image-size", "28", "--channels", "grey"]
    given = ["--weights", str(lenet), "--norm", "half", *size, "-o", str(out)]
    assert run(["fold", model, *given]) == 0
    said = capsys.readouterr().out.replace("\n", " ")
    call = re.search(r"Open it with (\S+\(.*?\)(\.module\(\))?)[;.] ", said)[1]
    opened = eval(call, {"torch": torch, "normscope": normscope})
    assert opened(torch.zeros(1, 1, 28, 28, dtype=torch.uint8)).shape == (1, 10)


def test_json_holds_the_differences(lenet, tmp_path, capsys):
    out = tmp_path / "raw.pt2"
    arguments = ["fold", "lenet", "--weights", str(lenet), "--norm", "mnist", "-o", str(out)]
    assert run([*arguments, "--json", "-", "--to", "none", "--residual"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["takes"] == "none"
    assert found["scale"] == pytest.approx(1 / 0.3081)
    assert found["float64_difference"] < 1e-10
    assert found["largest_difference"] < 1e-4 * found["output_std"]


@pytest.mark.skipif(WEIGHTS is None, reason="NORMSCOPE_WEIGHTS is not set")
def test_real_weights(tmp_path, capsys):
    weights = Path(str(WEIGHTS)) / "squeezenet1_1-imagenet.safetensors"
    arguments = ["fold", "squeezenet1_1", "--weights", str(weights), "--norm", "imagenet"]
    assert run([*arguments, "-o", str(tmp_path / "raw.onnx"), "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["float64_difference"] < 1e-10
    assert found["largest_difference"] < 1e-4 * found["output_std"]


def test_own_images_are_compared(class_folders, tmp_path, capsys):
    torch.manual_seed(0)
    weights = tmp_path / "weights.safetensors"
    network = build_model("resnet20", channels=3, classes=10, image_size=(32, 32))
    save_file(network.state_dict(), weights)
    arguments = ["fold", "resnet20", "--weights", str(weights), "--norm", "imagenet", "--json", "-"]
    spreads = []
    for images in ([], ["--images", str(class_folders)]):
        out = tmp_path / "raw.safetensors"
        assert run([*arguments, "-o", str(out), *images]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["float64_difference"] < 1e-10
        spreads.append(found["output_std"])
    assert spreads[0] != spreads[1]
    assert run([*arguments, "-o", str(out), "--images", str(tmp_path / "absent")]) == 2
    assert "--images must name a folder of images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--norm", "half", "-o", "x.txt"],
            "the suffix of --out must be one of .safetensors, .pt2, .onnx, got '.txt'. ",
        ),
        (["--norm", "half", "-o", "x"], "the suffix of --out must be one of .safetensors, "),
        (["--norm", "haf", "-o", "x.pt2"], "Did you mean 'half'?"),
        (["--norm", "model", "-o", "x.pt2"], "whose library says what its weights expect"),
        (["--norm", "half", "-o", "x.pt2"], "must be given its weights"),
        (
            ["--norm", "half", "-o", "x.safetensors", "--json", "x.json"],
            "--json must be another file than those of --out, got x.json with --out x.safetensors",
        ),
        (["--norm", "half", "-o", "x.pt2", "--channels", "cmyk"], "must be rgb or grey"),
        (["--norm", "half", "-o", "x.pt2", "--weights", "none.pt"], "must be a readable file"),
    ],
)
def test_bad_input_is_one_sentence(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["fold", "lenet", *arguments]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        ("0", "--image-size must be at least 1 pixel, got 0. Give a larger number."),
        ("14143", "--image-size must be at most 14142 pixels, got 14143. Give a smaller number."),
    ],
)
def test_images_of_no_pixels_or_too_many(lenet, tmp_path, capsys, size, sentence):
    call = ["fold", "lenet", "--weights", str(lenet), "--norm", "half", "--image-size", size]
    assert run([*call, "-o", str(tmp_path / "raw.safetensors")]) == 2
    assert capsys.readouterr().err == f"normscope: {sentence}\n"
    assert list(tmp_path.iterdir()) == []


def small_script(path):
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 64, 9, padding=4, bias=False), nn.Flatten(), nn.Linear(64 * 256, 10)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Sequential(*layers)), path)
    return path


def test_a_script_says_what_it_does(tmp_path, capsys):
    source, out = small_script(tmp_path / "x.ts"), tmp_path / "raw.ts"
    call = ["fold", str(source), "--norm", "half", "-o", str(out), "--image-size", "16"]
    assert run([*call, "--json", str(tmp_path / "raw.json")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [
        f"{out} takes pixels of 0..255. Folded 0.5/0.5 into 0 (Convolution).",
        "In front of 0 it subtracts 127.5, 127.5, 127.5 from the channels, since zeros are put "
        "around them.",
    ]
    assert said[2].startswith("Largest difference in an output: ")
    assert " as read back from the file, where outputs have a std of " in said[2]
    found = json.loads((tmp_path / "raw.json").read_text())
    assert found["layers"] == {"0": {"kind": "Convolution"}}
    assert found["subtracted"] == [127.5] * 3
    assert found["first_layer_difference"] < 1e-5
    assert found["largest_difference"] < 1e-4 * found["output_std"]


@pytest.mark.thorough
@pytest.mark.skipif(WEIGHTS is None, reason="NORMSCOPE_WEIGHTS is not set")
@pytest.mark.filterwarnings("ignore")  # of the libraries that write the files
@pytest.mark.parametrize(("name", "side"), [("squeezenet1_1", 224), ("resnet20", 32)])
def test_every_kind_of_file_folds_to_the_same(tmp_path, name, side):
    pytest.importorskip("keras")
    pytest.importorskip("onnxscript")
    from benchmarks.kinds_of_file import KINDS, ONLY_RESNET18, Network, folded_outputs, raw

    (weights,) = Path(str(WEIGHTS)).glob(f"{name}-*.safetensors")
    outputs = 1000 if side == 224 else 10
    module = build_model(
        name, channels=3, classes=outputs, image_size=(side, side),
        options=ModelOptions(str(weights)),
    ).eval()  # fmt: skip
    for number, photograph in enumerate(load_sample_images().images):
        Image.fromarray(photograph).save(tmp_path / f"{number}.jpg")
    network = Network(name, module, weights, tmp_path, side, {})
    mean, std = (torch.tensor(v).reshape(-1, 1, 1) for v in (IMAGENET.mean, IMAGENET.std))
    with torch.no_grad():
        expected = module((torch.from_numpy(raw(network)) / 255 - mean) / std).numpy()
    found = {"name": folded_outputs(name, network, tmp_path / "raw.onnx", weights=str(weights))}
    for kind, (file, write) in KINDS.items():
        if kind not in ONLY_RESNET18:
            source = str(write(network, tmp_path / file))
            out = tmp_path / f"raw-{kind}{Path(file).suffix}"
            found[kind] = folded_outputs(source, network, out)
    assert len(found) == 5
    for kind, given in found.items():
        assert abs(given - expected).max() < 1e-4, kind


@pytest.mark.thorough
@pytest.mark.parametrize("suffix", [".pt2", ".pt", ".keras"])
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_no_space_for_a_program(tmp_path, suffix):
    source = tmp_path / f"x{suffix}"
    if suffix == ".keras":
        keras = pytest.importorskip("keras")
        layers = [keras.layers.Flatten(), keras.layers.Dense(100)]
        keras.Sequential([keras.Input((16, 16, 3)), *layers]).save(source)
    elif suffix == ".pt":
        small_script(source)
    else:
        network = nn.Sequential(nn.Flatten(), nn.Linear(768, 100))
        torch.export.save(torch.export.export(network, (torch.zeros(2, 3, 16, 16),)), source)
    out = tmp_path / "folded" / f"raw{suffix}"
    out.parent.mkdir()
    done = subprocess.run(
        [
            sys.executable, "-m", "normscope", "fold", str(source), "--norm", "half", "-o",
            str(out), "--image-size", "16",
        ],
        capture_output=True, text=True, check=False, preexec_fn=little_space,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        2,
        f"normscope: {out} must be writable, got: File too large. Free up space, fix the "
        "permissions or choose another place.\n",
    )
    assert list(out.parent.iterdir()) == []


@pytest.mark.thorough
@pytest.mark.parametrize("suffix", [".safetensors", ".pt2", ".onnx"])
def test_no_space(lenet, tmp_path, suffix):
    out = tmp_path / f"raw{suffix}"
    done = subprocess.run(
        [
            sys.executable, "-m", "normscope", "fold", "lenet", "--weights", str(lenet),
            "--norm", "mnist", "-o", str(out),
        ],
        capture_output=True, text=True, check=False, preexec_fn=little_space,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        2,
        f"normscope: {out} must be writable, got: File too large. Free up space, fix the "
        "permissions or choose another place.\n",
    )
    assert list(tmp_path.iterdir()) == []
