"""Checks of a small network on small photographs, from options to verdict, page and status."""

from __future__ import annotations

import json
import re
import shutil

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from normscope import NormscopeError, check
from normscope.cli.app import run
from normscope.models.building import build_model
from normscope.normalization import IMAGENET

MEAN, STD = (torch.tensor(v)[:, None, None] for v in (IMAGENET.mean, IMAGENET.std))


def _processor(folder, **changed):
    folder.mkdir()
    said = {
        "image_processor_type": "ViTImageProcessor",
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(IMAGENET.mean),
        "image_std": list(IMAGENET.std),
        "do_resize": False,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(said | changed))
    return folder


@pytest.fixture(scope="module")
def flat(photos, tmp_path_factory):
    """The photographs without labels."""
    folder = tmp_path_factory.mktemp("flat")
    for path in photos.rglob("*.png"):
        shutil.copy(path, folder / path.name)
    return folder


@pytest.fixture(scope="module")
def stating(tmp_path_factory):
    """A network with weights of its own, beside which a file states imagenet."""
    folder = _processor(tmp_path_factory.mktemp("weights") / "stating")
    return with_weights(folder / "w.safetensors")


def with_weights(path):
    torch.manual_seed(0)
    network = build_model("squeezenet1_1", channels=3, classes=6, image_size=(32, 32))
    save_file(network.state_dict(), path)
    return {"model": "squeezenet1_1", "weights": path, "resize": 32, "crop": 32}


def pipeline_of(change):
    def prepared(image):
        return change(torch.from_numpy(np.array(image)).permute(2, 0, 1).float())

    return prepared


PIPELINES = {
    "right": (lambda x: (x / 255 - MEAN) / STD, None),
    "twice": (lambda x: ((x / 255 - MEAN) / STD - MEAN) / STD, "it is normalized twice"),
    "bgr": (lambda x: (x.flip(0) / 255 - MEAN) / STD, "images are BGR for RGB"),
    "bytes": (lambda x: (x - MEAN) / STD, "pixels of 0..255 are not divided by 255"),
    "no std": (lambda x: x / 255 - MEAN, "nothing is divided by the std"),
    "copied": (lambda x: (x / 255 - MEAN) / MEAN, "the mean stands in the place of the std"),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_is_held_against_what_files_state(name, stating, flat):
    change, wrong = PIPELINES[name]
    found = check(**stating, images=flat, pipeline=pipeline_of(change), count=8)
    assert found.verdict == ("right" if wrong is None else "wrong")
    assert found.answer.wrong == wrong
    assert found.answer.use == "imagenet"
    assert found.right is (wrong is None)
    if wrong is None:
        assert found.price.lost == 0
    turned = found.sentence.endswith("; turn the channels round and keep the constants.")
    assert turned is (name == "bgr")


def test_bytes_that_the_network_does_not_take_are_normalized_later(stating, flat):
    def as_bytes(image):
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)

    found = check(**stating, images=flat, pipeline=as_bytes, count=8)
    assert found.verdict == "cannot tell"
    begins, _, costs = found.sentence.partition("if nothing normalizes the bytes, that is wrong, ")
    assert begins == (
        "Cannot tell: as_bytes gives bytes, which squeezenet1_1 does not take, so that something "
        "behind it makes floats of them and may normalize them, as on the GPU: give one "
        "function that does both as pipeline. squeezenet1_1 expects imagenet "
        "(0.485,0.456,0.406/0.229,0.224,0.225); "
    )
    assert costs.startswith("which changes ")
    assert found.answer.use == "imagenet"


def test_norm_is_held_against_what_files_state(stating, flat):
    assert check(**stating, images=flat, norm="imagenet", count=8).verdict == "right"
    found = check(**stating, images=flat, norm="half", count=8)
    assert found.sentence.startswith("Wrong: it is normalized with half, which changes ")
    assert found.sentence.endswith("; use imagenet (0.485,0.456,0.406/0.229,0.224,0.225).")
    assert found.to_json()["lost_of"] == "answers"


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({}, None),
        (
            {"rescale_factor": 1 / 127.5},
            "pixels are scaled by 2 before, as by a wrong rescale_factor",
        ),
        ({"rescale_factor": 1.0}, "pixels of 0..255 are not divided by 255"),
        ({"do_normalize": False}, "it is not normalized"),
        ({"image_std": list(IMAGENET.mean)}, "the mean stands in the place of the std"),
    ],
)
def test_a_processor_is_held_against_what_files_state(changed, wrong, stating, flat, tmp_path):
    folder = _processor(tmp_path / "processor", **changed)
    found = check(**stating, images=flat, processor=folder, count=8)
    assert found.answer.wrong == wrong


def test_unused_bits_are_told_and_a_scale_mends_it(stating, flat, tmp_path):
    for path in sorted(flat.glob("*.png"))[:8]:
        deep = np.asarray(Image.open(path))[..., ::-1].astype(np.uint16) << 4
        cv2.imwrite(str(tmp_path / path.name), deep)
    found = check(**stating, images=tmp_path, norm="imagenet")
    assert found.sentence.startswith(
        "Wrong: pixels of 16 bits, of which 12 are used (values to 4080) are divided by 65535, "
    )
    assert found.sentence.endswith("; divide them by 4095 (scale=4095) and keep the constants.")
    assert check(**stating, images=tmp_path, norm="imagenet", scale=4095).verdict == "right"


def test_full_16_bits_are_right(stating, flat, tmp_path):
    for path in sorted(flat.glob("*.png"))[:8]:
        deep = np.asarray(Image.open(path))[..., ::-1].astype(np.uint16) * 257
        cv2.imwrite(str(tmp_path / path.name), deep)
    assert check(**stating, images=tmp_path, norm="imagenet").verdict == "right"


def test_a_graph_that_normalizes_by_itself_needs_nothing_outside(photos, tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    make, of = onnx.helper, onnx.numpy_helper.from_array
    drawn = np.random.default_rng(0)
    constants = [
        of(MEAN.numpy()[None], "mean"),
        of(STD.numpy()[None], "std"),
        of(drawn.normal(size=(6, 3, 3, 3)).astype(np.float32), "weight"),
    ]
    nodes = [
        make.make_node("Sub", ["x", "mean"], ["a"]),
        make.make_node("Div", ["a", "std"], ["b"]),
        make.make_node("Conv", ["b", "weight"], ["c"]),
        make.make_node("GlobalAveragePool", ["c"], ["d"]),
        make.make_node("Flatten", ["d"], ["y"]),
    ]
    shaped = make.make_tensor_value_info
    graph = make.make_graph(
        nodes, "g", [shaped("x", 1, ["n", 3, 32, 32])], [shaped("y", 1, ["n", 6])], constants
    )
    path = tmp_path / "model.onnx"
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=9), path)
    flat = tmp_path / "flat"
    flat.mkdir()
    for image in sorted(photos.rglob("*.png"))[::6]:
        shutil.copy(image, flat)
    outside = check(str(path), images=flat, norm="imagenet")
    assert outside.answer.wrong == (
        "it is normalized twice, in front of the model and by the model itself"
    )
    assert outside.answer.use == "none"
    assert "the model normalizes by itself (imagenet" in outside.evidence[1].says
    assert check(str(path), images=flat, norm="none").verdict == "right"


class Small(nn.Module):
    """Without BatchNorm, and nothing states anything of it."""

    def forward(self, images):
        return images.mean((2, 3)) @ torch.eye(3)[:, :2]


def test_where_nothing_is_known_it_is_said_what_would_tell(flat):
    found = check(Small(), images=flat, norm="half", count=8)
    assert found.sentence == (
        "Cannot tell: nothing says what Small expects. Give one folder of images per class, or "
        "labels='FILE'."
    )


class Named(Small):
    """Gives its outputs as torchvision's segmentation networks do."""

    def __init__(self, *names):
        super().__init__()
        self.names = names

    def forward(self, images):
        return dict.fromkeys(self.names, super().forward(images))


def test_outputs_under_a_name(flat):
    asked = {"images": flat, "norm": "half", "count": 8}
    assert check(Named("out"), **asked).sentence.startswith("Cannot tell: nothing says what Named")
    with pytest.raises(NormscopeError) as met:
        check(Named("out", "aux"), **asked)
    assert str(met.value) == (
        "Named must have one output, shape (N, classes), got 2. Give the classes' alone."
    )


def test_one_thing_is_under_test(stating, flat):
    with pytest.raises(NormscopeError) as met:
        check(**stating, images=flat, norm="half", processor=flat)
    assert str(met.value) == (
        "one of norm, pipeline or processor must say what you use, got norm and "
        "processor. Choose one."
    )


def test_the_command_its_status_json_and_page(stating, flat, tmp_path, capsys):
    weights = f"--weights={stating['weights']}"
    shared = ["check", "squeezenet1_1", weights, f"--images={flat}", "--crop=32", "--count=6"]
    target, out = tmp_path / "c.json", tmp_path / "out"
    assert run([*shared, "--norm=half", f"--json={target}", f"--out={out}"]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("Wrong: it is normalized with half, which ")
    assert "\n- files: preprocessor_config.json states imagenet " in printed
    found = json.loads(target.read_text())
    assert {k: found[k] for k in ("verdict", "is", "use")} == {
        "verdict": "wrong",
        "is": "it is normalized with half",
        "use": "imagenet",
    }
    assert found["evidence"][0]["source"] == "price"
    page = (out / "report.html").read_text()
    assert page.index("Wrong: it is normalized with half") < page.index("strongest first")
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=.?http", page)
    assert json.loads((out / "check.json").read_text()) == found
    assert run([*shared, "--norm=imagenet"]) == 0
    own = [*shared]
    assert run(own) == 0
    assert capsys.readouterr().err.endswith(
        "Nothing can be told, so the exit status is 0; --strict makes it 1.\n"
    )
    assert run([*own, "--strict"]) == 1


@pytest.mark.parametrize("scale", [-5.0, float("nan"), 1e-320])
def test_a_scale_that_nothing_can_be_divided_by(stating, flat, scale):
    with pytest.raises(NormscopeError) as error:
        check(**stating, images=flat, norm="half", scale=scale)
    assert str(error.value) == (
        f"scale must be from 1e-100 to 1e+100, got {scale}. Give what brings pixels to [0, 1]."
    )
