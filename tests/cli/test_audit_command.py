from __future__ import annotations

import json

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from normscope.cli.app import run
from normscope.models.building import build_model
from normscope.wording import share
from tests.auditing.conftest import photos  # noqa: F401 - a fixture

HERE = "tests.auditing.networks"
COMMON = ["audit", f"{HERE}:small", "--norm", "imagenet", "--resize", "40", "--crop", "32"]


def test_the_table_is_ranked_and_the_json_holds_it(photos, capsys):  # noqa: F811
    assert run([*COMMON, "--images", str(photos)]) == 0
    said = capsys.readouterr().out
    assert run([*COMMON, "--images", str(photos), "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"none", "half", "bgr"} <= {m["name"] for m in found["mistakes"]}
    ranked = [m for m in found["mistakes"] if m["lost"] is not None]
    assert said.startswith(found["answer"].split(":")[0])
    assert found["verdict"] in {"yes", "no", "unsettled"}
    first_words = [line.split()[0] for line in said.splitlines() if line.strip()]
    places = [first_words.index(m["name"]) for m in ranked]
    assert places == sorted(places)
    worst = ranked[0]
    assert worst["lost"] == pytest.approx(found["reference"]["accuracy"] - worst["accuracy"])
    low, high = (share(end, found["images"]) for end in worst["interval"])
    assert f"{low} to {high}" in said
    assert "imagenet is not tested: it is the same as the reference here." in said
    assert f"he worst mistake is {worst['name']}" in said.replace("\n", " ")


def test_a_failing_pipeline_exits_1_and_a_right_one_0(photos, tmp_path, capsys):  # noqa: F811
    call = [*COMMON, "--images", str(photos), "--fail-over", "0.01"]
    assert run([*call, "--pipeline", f"{HERE}:right"]) == 0
    out = tmp_path / "audit"
    assert run([*call, "--pipeline", f"{HERE}:unnormalized", "--out", str(out)]) == 1
    captured = capsys.readouterr()
    assert (
        "unnormalized does not normalize with 0.485,0.456,0.406/0.229,0.224,0.225" in captured.err
    )
    assert "normalizes with 0/1, not 0.485,0.456,0.406/0.229,0.224,0.225; fix it" in captured.out
    assert "answers most like none, the same on 100.0 % of the images" in captured.out
    assert json.loads((out / "audit.json").read_text())["pipeline"]["fails"] is True
    assert (out / "report.html").is_file()
    assert (out / "figures" / "audit.png").is_file()


def test_without_labels_or_batchnorm(photos, capsys):  # noqa: F811
    assert run([*COMMON, "--images", str(photos / "val")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "The images have no labels" in said
    assert (
        f"The drift of BatchNorm statistics is unavailable: {HERE}:small has no BatchNorm" in said
    )


def test_with_batchnorm_the_table_has_drift(photos, capsys):  # noqa: F811
    call = [COMMON[0], f"{HERE}:with_batchnorm", *COMMON[2:]]
    assert run([*call, "--images", str(photos / "val")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "drift" in said.split("reference")[0]
    assert "the statistics at the BatchNorm lie" in said


@pytest.fixture
def other_weights(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "lenet.safetensors"
    save_file(build_model("lenet", channels=1, classes=10, image_size=(28, 28)).state_dict(), path)
    return path


def refused(arguments, capsys):
    assert run(arguments) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    return err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--fail-over", "0.01"], "--fail-over must be used with a pipeline under test, got none"),
        (["--fail-over", "1.5", "--pipeline", f"{HERE}:right"], "an accuracy between 0 and 1"),
        (["--pipeline", "right"], "--pipeline must be package.module:transform, got 'right'"),
        (["--pipeline", "right.py:right"], "got the path right.py:right. Write right:right."),
        (["--pipeline", "no_such_module:right"], "must import, got ModuleNotFoundError"),
        (["--pipeline", f"{HERE}:absent"], "must import, got AttributeError"),
        (["--pipeline", f"{HERE}:NOT_CALLABLE"], "must be callable, got int"),
        (["--pipeline", f"{HERE}:as_integers"], "floats or bytes of shape (3, H, W), got int64 of"),
        (["--pipeline", f"{HERE}:flat_vector"], "got float32 of shape (3072,)"),
        (["--pipeline", f"{HERE}:failing"], "got ValueError: this transform is broken"),
        (["--crop", "50"], "--crop must be no larger than --resize"),
        (["--channels", "cmyk"], "--channels must be rgb or grey"),
        (["--norm", "data"], "--norm must say what the model expects, got data"),
        (["--norm", "imagnet"], "Did you mean 'imagenet'?"),
        (["--norm", "model"], "whose library says what its weights expect"),
        (["--norm", "0.1,0.2/0.3,0.4"], "must take images of shape (1, 2, 32, 32)"),
        (["--device", "tpu"], "--device must be one of"),
    ],
)  # fmt: skip
def test_bad_options_are_one_sentence(options, said, photos, capsys):  # noqa: F811
    assert said in refused([*COMMON, "--images", str(photos), *options], capsys)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("lenet", "lenet must be given its weights, got none. Pass --weights FILE.\n"),
        ("resnet18", "got none. Pass --weights FILE, or --weights default.\n"),
        (f"{HERE}:grey", "the images must have 1 channel to fit the model, got 3"),
        (f"{HERE}:picture", "must give at least two outputs for an image"),
        (f"{HERE}:Refusing", "got RuntimeError: no image is good enough"),
    ],
)
def test_bad_models_are_one_sentence(model, said, photos, capsys):  # noqa: F811
    call = ["audit", model, "--norm", "half", "--images", str(photos / "val"), "--crop", "32"]
    assert said in refused(call, capsys)


def test_weights_that_do_not_fit(photos, other_weights, capsys):  # noqa: F811
    call = ["audit", "squeezenet1_1", "--weights", str(other_weights), *COMMON[2:]]
    assert "must fit squeezenet1_1" in refused([*call, "--images", str(photos / "val")], capsys)


def test_a_network_that_cannot_take_what_the_pipeline_gives(photos, capsys):  # noqa: F811
    call = ["audit", f"{HERE}:flat", *COMMON[2:], "--images", str(photos)]
    said = refused([*call, "--pipeline", f"{HERE}:larger"], capsys)
    assert "the network must take what --pipeline gives, got tensors of shape (3, 50, 50)" in said


def test_no_images_or_several_sizes(photos, tmp_path, capsys):  # noqa: F811
    assert "must hold at least one image" in refused([*COMMON, "--images", str(tmp_path)], capsys)
    absent = refused([*COMMON, "--images", str(tmp_path / "absent")], capsys)
    assert "--images must name a folder of images or a .tar or .zip of one" in absent
    Image.new("RGB", (40, 50)).save(tmp_path / "a.png")
    Image.new("RGB", (50, 40)).save(tmp_path / "b.png")
    plain = ["audit", f"{HERE}:small", "--norm", "imagenet", "--images", str(tmp_path)]
    said = refused(plain, capsys)
    assert "must share one size, got 40 x 50 and 50 x 40. Give --resize and --crop" in said


def test_strict_refuses_what_cannot_be_read(photos, tmp_path, capsys):  # noqa: F811
    (tmp_path / "a.png").write_bytes((photos / "val" / "class0" / "0.png").read_bytes())
    (tmp_path / "b.png").write_bytes(b"")
    assert run([*COMMON, "--images", str(tmp_path)]) == 0
    assert "b.png: an empty file" in capsys.readouterr().err
    assert run([*COMMON, "--images", str(tmp_path), "--strict"]) == 1
    assert "every image of" in capsys.readouterr().err
    (tmp_path / "a.png").unlink()
    said = refused([*COMMON, "--images", str(tmp_path)], capsys)
    assert "must hold at least one image that can be used, got 1 that cannot" in said
