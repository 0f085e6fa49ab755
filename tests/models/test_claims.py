"""Claims about preprocessing against networks that are known to do it, run by their own runtime."""

from __future__ import annotations

import json

import numpy as np
import pytest

from normscope.errors import NormscopeError
from normscope.models.claims import claims
from normscope.models.expected import expected_normalization
from normscope.models.preprocessing.between import same
from normscope.normalization import CLIP, HALF, IMAGENET, NONE, Normalization

onnx = pytest.importorskip("onnx")

SIDE = 6
BYTES = Normalization(0, 1 / 255)
CAFFE = Normalization([123.68 / 255, 116.779 / 255, 103.939 / 255], 1 / 255)
MEAN, STD = np.array(IMAGENET.mean), np.array(IMAGENET.std)


def per_channel(values, channels_last=False):
    return np.reshape(values, (1, 1, 1, -1) if channels_last else (1, -1, 1, 1)).astype(np.float32)


def save_graph(path, steps, *, dtype="FLOAT", shape=("N", 3, SIDE, SIDE), metadata=None, opset=17):
    """Write a graph of such steps, each ``(operator, constants in front, constants behind)``, and
    then a convolution."""
    nodes, initializers, last = [], [], "pixels"
    for i, (operator, *constants, attributes) in enumerate(steps):
        names = []
        for k, constant in enumerate(constants):
            if constant is None:
                names.append(last)
            else:
                names.append(f"c{i}_{k}")
                initializers.append(onnx.numpy_helper.from_array(np.asarray(constant), names[-1]))
        nodes.append(onnx.helper.make_node(operator, names, [f"t{i}"], **attributes))
        last = f"t{i}"
    weight = np.ones((2, 3, 3, 3), np.float32)
    initializers.append(onnx.numpy_helper.from_array(weight, "weight"))
    nodes.append(onnx.helper.make_node("Conv", [last, "weight"], ["outputs"]))
    graph = onnx.helper.make_graph(
        nodes, "graph",
        [onnx.helper.make_tensor_value_info("pixels", getattr(onnx.TensorProto, dtype), shape)],
        [onnx.helper.make_tensor_value_info("outputs", onnx.TensorProto.FLOAT, [None] * 4)],
        initializers,
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    onnx.helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return str(path)


def step(operator, *constants, **attributes):
    return (operator, *constants, attributes)


def f32(value):
    return np.float32(value)


TO_FLOAT = step("Cast", None, to=1)
GRAPHS = {
    "divides": ([step("Div", None, f32(255))], {}, NONE, BYTES),
    "multiplies": ([step("Mul", f32(1 / 255), None)], {}, NONE, BYTES),
    "half of bytes": ([step("Sub", None, f32(127.5)), step("Mul", None, f32(1 / 127.5))], {}, HALF,
                      BYTES),
    "half of [0, 1]": ([step("Mul", None, f32(2)), step("Add", f32(-1), None)], {}, HALF, NONE),
    "imagenet": ([step("Sub", None, per_channel(MEAN)), step("Div", None, per_channel(STD))], {},
                 IMAGENET, NONE),
    "imagenet of bytes": (
        [TO_FLOAT, step("Div", None, f32(255)), step("Sub", None, per_channel(MEAN)),
         step("Div", None, per_channel(STD))], {"dtype": "UINT8"}, IMAGENET, BYTES),
    "caffe": ([step("Sub", None, per_channel([123.68, 116.779, 103.939]))], {}, CAFFE, BYTES),
    "channels last": (
        [step("Sub", None, per_channel(255 * MEAN, True)),
         step("Div", None, per_channel(255 * STD, True)),
         step("Transpose", None, perm=[0, 3, 1, 2])],
        {"shape": (1, SIDE, SIDE, 3)}, IMAGENET, BYTES),
    "reversed": (
        [step("Gather", None, np.array([2, 1, 0]), axis=1),
         step("Sub", None, per_channel(MEAN[::-1])), step("Div", None, per_channel(STD[::-1]))],
        {}, IMAGENET, NONE),
    "half floats": (
        [TO_FLOAT, step("Mul", None, f32(2)), step("Sub", None, f32(1))], {"dtype": "FLOAT16"},
        HALF, NONE),
    "quantized": (
        [step("DequantizeLinear", None, f32(1 / 127.5), np.uint8(127))], {"dtype": "UINT8"},
        Normalization(127 / 255, 127.5 / 255), BYTES),
}  # fmt: skip


@pytest.mark.parametrize(("steps", "choices", "expected", "takes"), GRAPHS.values(), ids=GRAPHS)
def test_the_nodes_in_front_of_a_graph(steps, choices, expected, takes, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    path = save_graph(tmp_path / "x.onnx", steps, **choices)
    claim, *others = claims(path).claims
    assert not others
    assert claim.inside
    assert claim.outside == claim.takes == takes
    # What it claims, done to pixels of [0, 1], is what its first layer meets.
    pixels = np.random.default_rng(0).integers(256, size=(1, 3, SIDE, SIDE))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    own = {"UINT8": np.uint8, "FLOAT16": np.float16}.get(choices.get("dtype"), np.float32)
    given = (pixels if takes == BYTES else pixels / 255).astype(own)
    if choices.get("shape"):
        given = given.transpose(0, 2, 3, 1)
    (outputs,) = session.run(None, {"pixels": np.ascontiguousarray(given)})
    for normalization in (claim.normalization, expected):
        met = normalization.normalize(pixels / 255)
        window = np.lib.stride_tricks.sliding_window_view(met, (3, 3), (2, 3)).sum((1, 4, 5))
        close = 0.1 if own is np.float16 else 1e-3 * max(1, np.abs(window).max() / 10)
        np.testing.assert_allclose(outputs[:, 0], window, atol=close)
    assert ("which reverse the channels" in claim.source) == ("Gather" in claim.source)


@pytest.mark.parametrize(
    ("steps", "choices", "source"),
    [
        ([step("Sub", f32(1), None)], {}, "x.onnx, Sub, which is no normalization by channel"),
        ([step("Sub", None, np.random.default_rng(0).random((1, 3, SIDE, SIDE), np.float32))], {},
         "x.onnx, Sub, which is no normalization by channel"),
        ([step("MeanVarianceNormalization", None)], {},
         "x.onnx, MeanVarianceNormalization: each image by its own values"),
        # GoogLeNet's transform_input: from imagenet to half.
        ([step("Mul", None, per_channel(STD / 0.5)),
          step("Add", None, per_channel((MEAN - 0.5) / 0.5))], {}, "x.onnx, Mul, Add"),
    ],
)  # fmt: skip
def test_nodes_that_are_no_normalization_of_pixels(steps, choices, source, tmp_path):
    (claim,) = claims(save_graph(tmp_path / "x.onnx", steps, **choices)).claims
    assert (claim.source, claim.normalization, claim.inside) == (source, None, True)


def test_graphs_that_say_nothing(tmp_path):
    assert claims(save_graph(tmp_path / "x.onnx", [])).claims == ()
    assert claims(save_graph(tmp_path / "y.onnx", [step("Identity", None)])).claims == ()
    (claim,) = claims(save_graph(tmp_path / "z.onnx", [TO_FLOAT], dtype="UINT8")).claims
    assert (claim.source, claim.normalization, claim.inside) == (
        "z.onnx, uint8 input",
        BYTES,
        False,
    )


@pytest.mark.parametrize(
    ("metadata", "normalization", "order"),
    [
        ({"mean": "0.485,0.456,0.406", "std": "0.229,0.224,0.225"}, IMAGENET, None),
        ({"image_mean": "[123.675, 116.28, 103.53]", "image_std": "[58.395, 57.12, 57.375]"},
         IMAGENET, None),
        ({"pretrained_cfg": json.dumps({"mean": CLIP.mean, "std": CLIP.std})}, CLIP, "rgb"),
        ({"preprocessor": json.dumps({"do_normalize": False, "image_mean": 0.5, "image_std": 1})},
         NONE, "rgb"),
        ({"Image.NominalPixelRange": "Normalized_1_1", "Image.BitmapPixelFormat": "Bgr8"}, HALF,
         "bgr"),
        ({"Image.NominalPixelRange": "NominalRange_0_255"}, BYTES, None),
        ({"mean": "about right", "std": "0.2"}, None, None),
    ],
)  # fmt: skip
def test_metadata(metadata, normalization, order, tmp_path):
    found = claims(save_graph(tmp_path / "x.onnx", [], metadata=metadata))
    if normalization is None:
        assert found.claims == ()
        return
    (claim,) = found.claims
    assert claim.source == "x.onnx, metadata"
    assert claim.order == order
    assert claim.normalization.for_channels(3).mean == pytest.approx(
        normalization.for_channels(3).mean
    )
    assert claim.normalization.for_channels(3).std == pytest.approx(
        normalization.for_channels(3).std
    )


def test_a_graph_cannot_ask_for_memory(tmp_path):
    doubled = [step("Concat", None, None, axis=1), step("Slice", None, [0], [3], [1])] * 40
    assert claims(save_graph(tmp_path / "x.onnx", doubled)).claims == ()
    large = save_graph(
        tmp_path / "y.onnx", [step("Mul", None, f32(2))], shape=(1, 3, 1 << 20, 1 << 20)
    )
    assert claims(large).claims == ()


def test_norm_model_of_a_file_is_what_lies_beside_it(tmp_path):
    pytest.importorskip("onnxruntime")
    path = save_graph(tmp_path / "x.onnx", [])
    assert expected_normalization(path) is None
    settings = {"image_mean": IMAGENET.mean, "image_std": IMAGENET.std}
    beside = tmp_path / "preprocessor_config.json"
    beside.write_text(json.dumps(settings), encoding="utf-8")
    assert expected_normalization(path) == IMAGENET
    path = save_graph(tmp_path / "y.onnx", [step("Div", None, f32(255))])
    with pytest.raises(NormscopeError) as met:
        expected_normalization(path)
    assert str(met.value) == (
        f"--norm model must be used with a file that does not contradict itself, got {path}: "
        "y.onnx, Div already divides by 255, and preprocessor_config.json says "
        "0.485,0.456,0.406/0.229,0.224,0.225 in front of it. Give MEAN/STD."
    )
    beside.unlink()
    assert expected_normalization(path) == BYTES


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        ((0.147, 0.0833), True),
        ((0.15, 0.083), True),
        ((0.155, 0.083), False),
        ((0.14, 0.08), False),
    ],
)
def test_constants_of_dark_images_are_the_same_within_less(other, is_same):
    assert same(Normalization(0.147, 0.083), Normalization(*other)) == is_same


def test_constants_of_photographs_are_the_same_within_rounding():
    assert same(IMAGENET, Normalization((0.48, 0.46, 0.41), (0.229, 0.224, 0.225)))
    assert not same(IMAGENET, Normalization((0.5, 0.456, 0.406), (0.229, 0.224, 0.225)))
