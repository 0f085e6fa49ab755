from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from normscope.cli.app import run
from normscope.normalization import Normalization
from tests.deploy.onnx_graphs import (
    IMAGENET_BYTES,
    NEWEST,
    channels,
    convolution,
    node,
    save,
    weights,
)

SIZE = (14, 11)
BATCH = ["n", 3, *SIZE]
OPEN = ["n", 3, "h", "w"]
LAST = ["n", *SIZE, 3]


def fold(path, norm, out, *more):
    return run(["fold", str(path), "--norm", norm, "-o", str(out), "--json", "-", *more])


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def assert_agree(path, out, norm, channel_count=3, last=False, size=SIZE, taken="uint8", scale=1):
    """The slow, obvious way: normalize by NumPy, run the original; run the folded on raw pixels."""
    raw = np.random.default_rng(1).integers(0, 256, (3, channel_count, *size)).astype(np.uint8)
    raw[1] = 255
    given = Normalization.parse(norm).for_channels(channel_count)
    mean, std = (np.reshape(v, (-1, 1, 1)) for v in (given.mean, given.std))
    normalized = (raw / 255 - mean) / std
    pixels = {"uint8": raw, "none": raw / 255}[taken] * scale
    before, after = session(path), session(out)
    for one in (before, after):
        assert one.get_inputs()[0].name == "x"
    kinds = {
        "tensor(uint8)": np.uint8, "tensor(float)": np.float32, "tensor(float16)": np.float16,
    }  # fmt: skip
    batch = before.get_inputs()[0].shape[0]
    answers = []
    for one, values in ((before, normalized), (after, pixels)):
        moved = values.transpose(0, 2, 3, 1) if last else values
        dtype = kinds[one.get_inputs()[0].type]
        moved = np.rint(moved) if dtype is np.uint8 else moved
        feed = moved.astype(dtype)[: batch if isinstance(batch, int) else None]
        answers.append(one.run(None, {"x": feed}))
    assert [o.name for o in before.get_outputs()] == [o.name for o in after.get_outputs()]
    for expected, found in zip(*answers, strict=True):
        assert expected.std() > 0
        precision = 1e-2 if expected.dtype == np.float16 else 1e-5
        assert np.abs(found.astype(float) - expected).max() <= precision * max(1, expected.std())


def assert_kept(path, out):
    before, after = onnx.load(path), onnx.load(out)
    onnx.checker.check_model(after, full_check=True)
    assert after.opset_import[0].version == before.opset_import[0].version
    assert after.ir_version == before.ir_version
    assert after.metadata_props[0].value == "for a test"
    shapes = [
        [(d.dim_param, d.dim_value) for d in m.graph.input[0].type.tensor_type.shape.dim]
        for m in (before, after)
    ]
    assert shapes[0] == shapes[1]


CONVOLUTIONS = {
    "plain": {},
    "no bias": {"bias": False},
    "padded": {"pads": [1, 1, 1, 1]},
    "padded on one side": {"pads": [0, 2, 1, 0], "strides": [2, 2]},
    "depthwise": {"group": 3, "pads": [1, 1, 1, 1]},
    "dilated": {"dilations": [2, 3], "pads": [2, 3, 2, 3]},
    "even kernel": {"kernel": (4, 2), "pads": [1, 0, 2, 1], "strides": [3, 2]},
    "valid": {"auto_pad": "VALID", "strides": [2, 1]},
    "same upper": {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    "same lower": {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
    "same upper even": {"auto_pad": "SAME_UPPER", "kernel": (4, 4)},
}


@pytest.mark.parametrize("norm", ["imagenet", "half"])
@pytest.mark.parametrize(("shape", "opset"), [(BATCH, 13), (OPEN, NEWEST)])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_a_convolution_first(tmp_path, capsys, case, shape, opset, norm):
    nodes, constants = convolution(**CONVOLUTIONS[case])
    path = save(tmp_path / "x.onnx", nodes, constants, shape, opset=opset)
    out = tmp_path / "raw.onnx"
    assert fold(path, norm, out, "--image-size", "20") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["takes"], found["channels"]) == ("uint8", 3)
    assert found["first_layer_difference"] < 1e-5
    assert_agree(path, out, norm)
    if shape is OPEN:
        assert_agree(path, out, norm, size=(15, 18))
    assert_kept(path, out)
    assert onnx.load(out).graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8


def shaped(*nodes, constants, shape=BATCH, norm="imagenet", last=False, count=3, **saved):
    return {
        "nodes": list(nodes), "constants": constants, "shape": shape, "norm": norm, "last": last,
        "count": count, "saved": saved,
    }  # fmt: skip


def behind(*nodes, constants, inputs=3, read="h", padded=True, **options):
    after, more = convolution(
        inputs=inputs, read=read, **({"pads": [1, 1, 1, 1]} if padded else {})
    )
    return shaped(*nodes, *after, constants=constants | more, **options)


def dense(*nodes, kind="Gemm", constants=None, shape=BATCH, bias=True, **attributes):
    inputs = 3 * SIZE[0] * SIZE[1]
    of_output = weights(5, inputs)
    turned = attributes.get("transB", 0)
    known = {"w": of_output if turned else np.ascontiguousarray(of_output.T)}
    if bias:
        known["b"] = weights(5, 1).ravel()
    read = "h w b" if bias and kind == "Gemm" else "h w"
    layers = [node(kind, read, "y" if kind == "Gemm" or not bias else "m", **attributes)]
    if kind == "MatMul" and bias:
        layers.append(node("Add", "m b", "y"))
    return shaped(*nodes, *layers, constants=known | (constants or {}), shape=shape, rank=2)


MEAN, STD = (channels(v) for v in IMAGENET_BYTES)
INT64 = np.int64

GRAPHS = {
    "sub and div": behind(
        node("Sub", "x m", "s"), node("Div", "s d", "h"), constants={"m": MEAN, "d": STD},
        norm="0/0.00392156862745098",
    ),
    "mul and add, constants from the left": behind(
        node("Mul", "f x", "s"), node("Add", "o s", "h"),
        constants={"f": 1 / STD, "o": -MEAN / STD}, norm="0/0.00392156862745098",
    ),
    "subtracted from a constant": behind(
        node("Sub", "m x", "h"), constants={"m": channels([0.1, 0.2, 0.3])}, norm="half"
    ),
    "negated": behind(node("Neg", "x", "h"), constants={}),
    "divided after a half": behind(
        node("Div", "x d", "h"), constants={"d": np.float32(3)}, norm="half"
    ),
    "bytes cast and normalized inside": behind(
        node("Cast", "x", "f", to=TensorProto.FLOAT), node("Sub", "f m", "s"),
        node("Div", "s d", "h"), constants={"m": MEAN, "d": STD},
        norm="0/0.00392156862745098", kind=TensorProto.UINT8,
    ),
    "channels last": behind(
        node("Transpose", "x", "h", perm=[0, 3, 1, 2]), constants={}, shape=LAST, last=True
    ),
    "channels last, open": behind(
        node("Transpose", "x", "h", perm=[0, 3, 1, 2]), constants={}, last=True,
        shape=["n", "h", "w", "c"],
    ),
    "channels last, normalized before they are moved": behind(
        node("Sub", "x m", "s"), node("Transpose", "s", "h", perm=[0, 3, 1, 2]),
        constants={"m": np.array([0.1, 0.2, 0.3], np.float32)}, shape=LAST, last=True,
    ),
    "channels last, padded before they are moved": behind(
        node("Pad", "x p v", "q"), node("Transpose", "q", "h", perm=[0, 3, 1, 2]),
        constants={"p": np.array([0, 1, 0, 0, 0, 2, 1, 0], INT64), "v": np.float32(0)},
        shape=LAST, last=True, padded=False,
    ),
    "padded by a node": behind(
        node("Pad", "x p", "h"), constants={"p": np.array([0, 0, 0, 0, 0, 0, 1, 1], INT64)},
    ),
    "padded by a node with a value, then normalized": behind(
        node("Pad", "x p v", "q"), node("Div", "q d", "h"),
        constants={
            "p": np.array([0, 0, 2, 1, 0, 0, 1, 1], INT64), "v": np.float32(0.7), "d": STD,
        },
    ),
    "padded by a node that names its axes": behind(
        node("Pad", "x p v a", "h"),
        constants={
            "p": np.array([1, 0, 2, 1], INT64), "v": np.float32(0), "a": np.array([2, -1], INT64),
        },
    ),
    "padded by reflection": behind(
        node("Pad", "x p", "h", mode="reflect"), padded=False,
        constants={"p": np.array([0, 0, 2, 2, 0, 0, 2, 2], INT64)},
    ),
    "padded to four channels": behind(
        node("Pad", "x p", "h"), constants={"p": np.array([0, 0, 0, 0, 0, 1, 0, 0], INT64)},
        inputs=4, norm="half",
    ),
    "padded in opset 10": behind(
        node("Pad", "x", "h", pads=[0, 0, 1, 0, 0, 0, 1, 2]), constants={}, opset=10
    ),
    "padded while it runs": behind(
        node("Shape", "x", "n"), node("Gather", "n i", "k"), node("Div", "k by", "t"),
        node("Concat", "z t z t", "p", axis=0), node("Pad", "x p", "h"),
        constants={
            "i": np.array([2, 3], INT64), "by": np.array([7], INT64), "z": np.zeros(2, INT64),
        },
        shape=OPEN,
    ),
    "blue first": behind(
        node("Gather", "x i", "g", axis=1), node("Sub", "g m", "h"),
        constants={"i": np.array([2, 1, 0], INT64), "m": channels([0.1, 0.2, 0.3])},
    ),
    "every second pixel beside": behind(
        *[node("Slice", f"x s{i} e a t", f"p{i}") for i in range(4)],
        node("Concat", "p0 p1 p2 p3", "h", axis=1), inputs=12, shape=["n", 3, 14, 12],
        constants={
            **{f"s{i}": np.array([i // 2, i % 2], INT64) for i in range(4)},
            "e": np.array([99, 99], INT64), "a": np.array([2, 3], INT64),
            "t": np.array([2, 2], INT64),
        },
    ),
    "space to depth": behind(
        node("SpaceToDepth", "x", "h", blocksize=2), inputs=12, constants={},
        shape=["n", 3, 14, 12],
    ),
    "batch norm before a padded convolution": behind(
        node("BatchNormalization", "x s o m v", "h"),
        constants={n: weights(3, 1).ravel() + 1 for n in "som"} | {"v": np.ones(3, np.float32)},
    ),
    "batch norm that others read": shaped(
        node("BatchNormalization", "x s o m v", "h"), node("Relu", "h", "r"),
        node("Conv", "r w", "c"), node("Conv", "h w", "d"), node("Add", "c d", "y"),
        constants={n: weights(3, 1).ravel() + 1 for n in "som"}
        | {"v": np.ones(3, np.float32), "w": weights(4, 3, 3, 3)},
    ),
    "flatten and gemm": dense(node("Flatten", "x", "h")),
    "gemm, turned and scaled": dense(
        node("Flatten", "x", "h"), transB=1, alpha=0.5, beta=2.0
    ),
    "gemm without a bias": dense(node("Flatten", "x", "h"), bias=False),
    "reshape by a shape that is computed, and a product": dense(
        node("Shape", "x", "n"), node("Gather", "n i", "k"), node("Concat", "k j", "t", axis=0),
        node("Reshape", "x t", "h"), kind="MatMul",
        constants={"i": np.array([0], INT64), "j": np.array([-1], INT64)},
    ),
    "a product alone, of a mean image": dense(
        node("Sub", "x image", "s"), node("Flatten", "s", "h"), kind="MatMul", bias=False,
        constants={"image": np.abs(weights(1, 3, *SIZE))},
    ),
    "weights in half precision that are cast": shaped(
        node("Cast", "half", "w", to=TensorProto.FLOAT), node("Conv", "x w", "y"),
        constants={"half": weights(4, 3, 3, 3, dtype=np.float16)},
    ),
    "weights in a constant's node": shaped(
        helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(weights(4, 3, 3, 3))),
        node("Conv", "x w", "y", pads=[1, 1, 1, 1]), constants={},
    ),
    "half precision": shaped(
        node("Conv", "x w", "y", pads=[1, 1, 1, 1]), kind=TensorProto.FLOAT16,
        constants={"w": weights(4, 3, 3, 3, dtype=np.float16)},
    ),
    "constants among the inputs": shaped(
        node("Conv", "x w", "y", pads=[1, 1, 1, 1]), constants={"w": weights(4, 3, 3, 3)},
        old_inputs=True, ir=3, opset=8,
    ),
    "two images at once": shaped(
        node("Conv", "x w", "y", pads=[1, 1, 1, 1]), constants={"w": weights(4, 3, 3, 3)},
        shape=[2, 3, *SIZE],
    ),
    "grey": shaped(
        node("Conv", "x w", "y", pads=[1, 1, 1, 1]), constants={"w": weights(4, 1, 3, 3)},
        shape=["n", 1, *SIZE], norm="mnist", count=1,
    ),
    "ten channels": shaped(
        node("Conv", "x w", "y", pads=[1, 1, 1, 1]), constants={"w": weights(4, 10, 3, 3)},
        shape=["n", "c", *SIZE], count=10,
        norm=",".join(f"0.{i}" for i in range(10)) + "/" + ",".join(["0.5"] * 10),
    ),
    "the layer's output is an output too": shaped(
        node("Conv", "x w", "y", pads=[1, 1, 1, 1]), node("Relu", "y", "z"),
        constants={"w": weights(4, 3, 3, 3)}, outputs=("y", "z"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
def test_what_may_stand_in_front(tmp_path, capsys, name):
    case = GRAPHS[name]
    path = save(
        tmp_path / "x.onnx", case["nodes"], case["constants"], case["shape"], **case["saved"]
    )
    out = tmp_path / "raw.onnx"
    size = SIZE if "12" not in map(str, case["shape"]) else (14, 12)
    assert fold(path, case["norm"], out, "--image-size", "14") == 0, capsys.readouterr().err
    capsys.readouterr()
    assert_agree(path, out, case["norm"], case["count"], case["last"], size)
    assert_kept(path, out)
    left = {n.op_type for n in onnx.load(out).graph.node}
    assert not left & {"Sub", "Div", "Neg"} or "padded while" in name


@pytest.mark.parametrize("to", ["uint8", "none", "half"])
@pytest.mark.parametrize("more", [[], ["--residual"]])
def test_what_the_new_file_takes(tmp_path, capsys, to, more):
    nodes, constants = convolution(pads=[1, 1, 1, 1])
    path, out = save(tmp_path / "x.onnx", nodes, constants, BATCH), tmp_path / "raw.onnx"
    assert fold(path, "imagenet", out, "--to", to, *more) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["scale"] == 1) != bool(more)
    element = onnx.load(out).graph.input[0].type.tensor_type.elem_type
    whole = to == "uint8" and not more
    assert element == (TensorProto.UINT8 if whole else TensorProto.FLOAT)
    if to != "half":
        assert_agree(path, out, "imagenet", taken=to, scale=1 if whole else found["scale"])


def test_what_is_merged_is_said(tmp_path, capsys):
    case = GRAPHS["sub and div"]
    path = save(tmp_path / "x.onnx", case["nodes"], case["constants"], BATCH)
    out = tmp_path / "raw.onnx"
    assert run(["fold", str(path), "--norm", "0/0.00392156862745098", "-o", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        f"{out} takes pixels of 0..255. Folded 0/0.00392156862745098 into Conv_c (Conv).",
        (
            "The graph's own nodes in front of that layer (Sub 'Sub_s', Div 'Div_h') compute (x - "
            "(123.675, 116.28, 103.53)) / (58.395, 57.12, 57.375) of their input and were merged "
            "into it, after 0/0.00392156862745098."
        ),
    ]
    assert lines[2].startswith("Largest difference in an output: ")
    assert " in onnxruntime, where outputs have a std of " in lines[2]


def test_a_function_of_the_file_s_own_is_looked_into(tmp_path):
    nodes, constants = convolution(pads=[1, 1, 1, 1], read="h")
    path = save(tmp_path / "x.onnx", [
        helper.make_node("Shifted", ["x", "m"], ["h"], domain="own"), *nodes,
    ], constants | {"m": channels([0.1, 0.2, 0.3])}, BATCH)  # fmt: skip
    model = onnx.load(path)
    opsets = [helper.make_opsetid("", NEWEST)]
    model.functions.append(
        helper.make_function(
            "own", "Shifted", ["a", "b"], ["c"], [helper.make_node("Sub", ["a", "b"], ["c"])],
            opsets,
        )
    )  # fmt: skip
    model.opset_import.append(helper.make_opsetid("own", 1))
    onnx.save(model, path)
    assert fold(path, "imagenet", tmp_path / "raw.onnx") == 0
    assert_agree(path, tmp_path / "raw.onnx", "imagenet")


def test_a_fold_that_would_be_wrong_is_not_written(tmp_path, capsys, monkeypatch):
    from normscope.deploy import onnx_padding

    monkeypatch.setattr(onnx_padding, "convolution_widths", lambda *_: None)
    monkeypatch.setattr("normscope.deploy.onnx_layers.convolution_widths", lambda *_: None)
    nodes, constants = convolution(pads=[1, 1, 1, 1])
    constants["b"] *= 0
    path = save(tmp_path / "x.onnx", nodes, constants, BATCH)
    monkeypatch.setattr(
        "normscope.deploy.onnx_layers.convolution_widths",
        lambda *_: onnx_padding.Widths((0, 0, 0, 0, 0, 0, 2, 2)),
    )
    assert fold(path, "imagenet", tmp_path / "raw.onnx") == 1
    assert "Nothing was written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]


REAL = {
    "ch_PP-OCRv4_det_infer.onnx": (["0.5/0.5", "imagenet"], None),
    "ch_ppocr_mobile_v2.0_cls_infer.onnx": (["half"], None),
    "ch_PP-OCRv4_rec_infer.onnx": (["half"], 48),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files(tmp_path, capsys, name):
    folder = os.environ.get("NORMSCOPE_MODELS")
    found = sorted(Path(folder).rglob(name)) if folder else []
    if not found:
        pytest.skip(f"NORMSCOPE_MODELS is not set to a folder with {name}: a real file is needed")
    norms, side = REAL[name]
    for norm in norms:
        more = [] if side is None else ["--image-size", str(side)]
        assert fold(found[0], norm, tmp_path / "raw.onnx", *more) == 0
        said = json.loads(capsys.readouterr().out)
        assert said["first_layer_difference"] < 1e-5
        assert said["largest_difference"] < 1e-5
