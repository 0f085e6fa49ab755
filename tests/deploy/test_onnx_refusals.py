"""What is no exact fold of an ONNX graph, or no sensible one, is said in a sentence."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from normscope.cli.app import run
from tests.deploy.onnx_graphs import IMAGENET_BYTES, channels, convolution, node, save, weights
from tests.deploy.refusals import no_fold, said

BATCH = ["n", 3, 14, 11]
MEAN, STD = (channels(v) for v in IMAGENET_BYTES)
KERNEL = {"w": weights(4, 3, 3, 3)}


def branch():
    inner = helper.make_graph(
        [node("Relu", "x", "r")], "inner", [],
        [helper.make_tensor_value_info("r", TensorProto.FLOAT, [None] * 4)],
    )  # fmt: skip
    return node("If", "yes", "y", then_branch=inner, else_branch=inner)


GRAPHS = {
    "two layers": (
        [node("Conv", "x w", "a"), node("Conv", "x w", "b"), node("Add", "a b", "y")],
        KERNEL,
        "2 nodes do, where a file may have one (Conv 'Conv_a', Conv 'Conv_b')",
    ),
    "around": (
        [node("Conv", "x w", "a", pads=[1, 1, 1, 1]), node("Add", "a x", "y")],
        {"w": weights(3, 3, 3, 3)},
        "the graph computes with the pixels by Add 'Add_y'",
    ),
    "pooled": (
        [node("MaxPool", "x", "p", kernel_shape=[3, 3], pads=[1] * 4), node("Conv", "p w", "y")],
        KERNEL,
        "the graph computes with the pixels by MaxPool 'MaxPool_p'",
    ),
    "rectified": (
        [node("Relu", "x", "p"), node("Conv", "p w", "y")],
        KERNEL,
        "the graph computes with the pixels by Relu 'Relu_p'",
    ),
    "divided into": (
        [node("Div", "one x", "p"), node("Conv", "p w", "y")],
        KERNEL | {"one": np.float32(1)},
        "the graph computes with the pixels by Div 'Div_p'",
    ),
    "grey made of colours": (
        [node("ReduceMean", "x", "p", axes=[1], keepdims=1), node("Conv", "p w", "y")],
        {"w": weights(4, 1, 3, 3)},
        "the graph computes with the pixels by ReduceMean 'ReduceMean_p'",
    ),
    "with coordinates beside": (
        [node("Concat", "x g", "p", axis=1), node("Conv", "p w", "y")],
        {"g": weights(1, 1, 14, 11), "w": weights(4, 4, 3, 3)},
        "the graph computes with the pixels by Concat 'Concat_p'",
    ),
    "a branch": (
        [branch()],
        {"yes": np.array(True)},
        "the graph computes with the pixels by If 'If_y'",
    ),
    "weights that are computed": (
        [node("Conv", "x w", "a"), node("Shape", "x", "n"),
         node("Cast", "n", "m", to=TensorProto.FLOAT), node("ReduceMean", "m", "f", keepdims=0),
         node("Mul", "w f", "v"), node("Conv", "x v", "y")],
        KERNEL,
        "2 nodes do, where a file may have one (Conv 'Conv_a', Conv 'Conv_y')",
    ),
    "weights by the shape": (
        [node("Shape", "x", "n"), node("Cast", "n", "m", to=TensorProto.FLOAT),
         node("ReduceMean", "m", "f", keepdims=0), node("Mul", "w f", "v"),
         node("Conv", "x v", "y")],
        KERNEL,
        "the weights of Conv 'Conv_y' are computed while it runs",
    ),
    "quantized pixels": (
        [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "d"),
         node("Conv", "d w", "y")],
        KERNEL | {"s": np.float32(0.02), "z": np.uint8(114)},
        "the first layer is quantized, by QuantizeLinear 'QuantizeLinear_q'",
    ),
    "quantized weights": (
        [node("DequantizeLinear", "q s", "w"), node("Conv", "x w", "y")],
        {"q": np.ones((4, 3, 3, 3), np.int8), "s": np.float32(0.02)},
        "the weights of Conv 'Conv_y' are quantized",
    ),
    "a mean image": (
        [node("Sub", "x m", "s"), node("Conv", "s w", "y")],
        KERNEL | {"m": weights(1, 3, 14, 11)},
        "other values are added or multiplied at other places of a channel",
    ),
    "a channel that is cleared, then padded": (
        [node("Mul", "x f", "s"), node("Sub", "s o", "h"),
         node("Conv", "h w", "y", pads=[1, 1, 1, 1])],
        KERNEL | {"f": channels([1, 0, 1]), "o": channels([0.1, 0.2, 0.3])},
        "Conv 'Conv_y' pads a channel that the graph makes constant",
    ),
    "channels that meet": (
        [node("Reshape", "x s", "h"), node("Gemm", "h w", "g"), node("Reshape", "g t", "y")],
        {"s": np.array([-1, 21], np.int64), "w": weights(21, 2),
         "t": np.array([1, 1, -1, 2], np.int64)},
        "the graph takes the images of a batch apart",
    ),
    "an output of pixels": (
        [node("Identity", "x", "y")], {}, "the graph gives the pixels themselves as an output",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
def test_no_exact_fold(tmp_path, capsys, name):
    nodes, constants, met = GRAPHS[name]
    path = save(tmp_path / "x.onnx", nodes, constants, BATCH, opset=13)
    out = tmp_path / "raw.onnx"
    assert said(capsys, path, "--norm", "imagenet", "-o", out) == no_fold(met)
    assert list(tmp_path.iterdir()) == [path]


def test_a_size_that_is_open_and_padded_by_old_rules(tmp_path, capsys):
    nodes, constants = convolution(auto_pad="SAME_LOWER", strides=[2, 2])
    path = save(tmp_path / "x.onnx", nodes, constants, ["n", 3, "h", "w"], opset=11)
    assert said(capsys, path, "--norm", "imagenet", "-o", tmp_path / "raw.onnx") == no_fold(
        "Conv 'Conv_c' pads by SAME_LOWER to a size that the file leaves open, in opset 11"
    )


def test_what_onnxruntime_does_not_run(tmp_path, capsys):
    nodes, constants = convolution(auto_pad="SAME_LOWER", dilations=[2, 2])
    path = save(tmp_path / "x.onnx", nodes, constants, BATCH)
    assert said(capsys, path, "--norm", "imagenet", "-o", tmp_path / "raw.onnx") == (
        "onnxruntime must run the graph on images of shape (3, 14, 11), got: Dilation not "
        "supported for AutoPadType::SAME_UPPER or AutoPadType::SAME_LOWER. Check that it runs, and "
        "give its --image-size and --channels."
    )


@pytest.mark.parametrize(
    ("mean", "std", "kind", "norm", "met", "use"),
    [
        (MEAN, STD, "float", "imagenet", "pixels of 0..255", "0/0.00392156862745098"),
        (MEAN / 255, STD / 255, "float", "imagenet", "pixels of [0, 1]", "none"),
        (np.float32(0), np.float32(255), "float", "none", "pixels of 0..255",
         "0/0.00392156862745098"),
    ],
)  # fmt: skip
def test_a_normalization_that_the_graph_does_itself(
    tmp_path, capsys, mean, std, kind, norm, met, use
):
    nodes, constants = convolution(read="h")
    path = save(
        tmp_path / "x.onnx",
        [node("Sub", "x m", "s"), node("Div", "s d", "h"), *nodes],
        constants | {"m": mean, "d": std},
        BATCH,
    )
    out = tmp_path / "raw.onnx"
    constants_said = {
        "imagenet": "0.485,0.456,0.406/0.229,0.224,0.225", "none": "0/1"
    }[norm]  # fmt: skip
    assert said(capsys, path, "--norm", norm, "-o", out) == (
        f"the graph already normalizes: {path} applies {constants_said} itself to {met} (Sub "
        f"'Sub_s', Div 'Div_h'), so that --norm {norm} in front of it would do it twice. Give what "
        f"is applied before the file: --norm {use}."
    )
    assert run(["fold", str(path), "--norm", use, "-o", str(out)]) == 0


def test_bytes_are_not_normalized_before_the_file(tmp_path, capsys):
    nodes, constants = convolution(read="h")
    cast = node("Cast", "x", "h", to=TensorProto.FLOAT)
    path = save(tmp_path / "x.onnx", [cast, *nodes], constants, BATCH, kind=TensorProto.UINT8)
    assert said(capsys, path, "--norm", "half", "-o", tmp_path / "raw.onnx") == (
        f"the graph already normalizes: {path} takes uint8 pixels, which --norm 0.5/0.5 in front "
        "of it cannot give. To merge its own nodes into its first layer, give --norm "
        "0/0.00392156862745098."
    )


def tokens(path):
    nodes = [node("Gather", "w x", "y")]
    return save(path, nodes, {"w": weights(9, 4)}, ["n", 7], kind=TensorProto.INT64, rank=3)


@pytest.mark.parametrize(
    ("arguments", "met"),
    [
        (["--norm", "half", "-o", "raw.pt2"],
         "--out must end in .onnx, since the graph of X is folded as it is, got raw.pt2. Choose "
         "another name."),
        (["--norm", "half", "-o", "x.onnx"],
         "--out must be another file than the one that is read, got x.onnx for both. Choose "
         "another --out."),
        (["--norm", "half", "-o", "raw.onnx", "--weights", "x.onnx"],
         "--weights must be used with a model's name, got X, which brings its own. Leave it out."),
        (["--norm", "model", "-o", "raw.onnx"],
         "--norm model must be used with a model whose library says what its weights expect, got "
         "X. Give MEAN/STD, or find it with normscope detect."),
        (["--norm", "0.1,0.2/0.5", "-o", "raw.onnx"],
         "the normalization must have 1 or 3 channels to fit X, got 2. Give one number for all, or "
         "one per channel."),
        (["--norm", "0.5/1e-45", "-o", "raw.onnx"],
         "--norm 0.5/1e-45 must leave numbers that float32 holds, got some that are infinite once "
         "folded. Check the mean and the std."),
        (["--norm", "half", "-o", "raw.onnx", "--image-size", "0"],
         "--image-size must be at least 1 pixel, got 0. Give a larger number."),
    ],
)  # fmt: skip
def test_bad_calls(tmp_path, monkeypatch, capsys, arguments, met):
    monkeypatch.chdir(tmp_path)
    nodes, constants = convolution()
    save("x.onnx", nodes, constants, BATCH)
    assert said(capsys, "x.onnx", *arguments) == met.replace("X", "x.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["x.onnx"]


def test_files_of_something_else(tmp_path, capsys):
    out = tmp_path / "raw.onnx"
    path = tokens(tmp_path / "x.onnx")
    assert said(capsys, path, "--norm", "half", "-o", out) == (
        f"{path} must take a batch of images, 4 axes of float or uint8 values, got its input x of "
        "int64 values and shape (n, 7). Keep the normalization outside it."
    )
    path.write_bytes(path.read_bytes()[:40])
    assert said(capsys, path, "--norm", "half", "-o", out).startswith(
        f"{path} must be a whole ONNX file, got: "
    )
    assert list(tmp_path.iterdir()) == [path]
