"""Lines to paste, run as what they are where the library is at hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from normscope import stats
from normscope.cli.app import run
from normscope.errors import NormscopeError
from normscope.statistics.paste import paste_lines

PIXELS = np.random.default_rng(2).integers(-1000, 1500, (5, 2, 6, 7)).astype(np.int16)


def test_nnunets_fingerprint_is_that_of_the_foreground():
    found = stats(PIXELS, scale=1, clip="-500:500")
    line = paste_lines(found, ["nnunet"])["nnunet"]
    said = json.loads(f"{{{line}}}")["foreground_intensity_properties_per_channel"]
    assert list(said) == ["0", "1"]
    for c in range(2):
        own = PIXELS[:, c].astype(np.float64)
        assert said[str(c)] == pytest.approx(
            {
                "max": own.max(), "mean": own.mean(), "median": np.median(own), "min": own.min(),
                "percentile_00_5": np.percentile(own, 0.5),
                "percentile_99_5": np.percentile(own, 99.5), "std": own.std(),
            }, rel=1e-5,
        )  # fmt: skip


def test_monai_clips_first():
    line = paste_lines(stats(PIXELS, scale=1, clip="-500:500"), ["monai"])["monai"]
    clipped = (np.clip(PIXELS.astype(float), -500, 500) + 500) / 1000
    mean, std = clipped.mean((0, 2, 3)), clipped.std((0, 2, 3))

    def ranged(keys, a_min, a_max, b_min, b_max, clip):
        assert (keys, clip) == ("image", True)
        return lambda x: np.clip((x - a_min) / (a_max - a_min) * (b_max - b_min) + b_min, 0, 1)

    def normalized(keys, subtrahend, divisor, channel_wise):
        assert (keys, channel_wise) == ("image", True)
        return lambda x: (x - np.reshape(subtrahend, (-1, 1, 1))) / np.reshape(divisor, (-1, 1, 1))

    steps = eval(line, {"Compose": list, "ScaleIntensityRanged": ranged,
                        "NormalizeIntensityd": normalized})  # fmt: skip
    expected = (clipped - mean[:, None, None]) / std[:, None, None]
    np.testing.assert_allclose(steps[1](steps[0](PIXELS.astype(float))), expected, atol=1e-4)


def test_monai_has_one_range_for_all_channels():
    with pytest.raises(NormscopeError) as error:
        paste_lines(stats(PIXELS, scale=1, clip="1%:99%"), ["monai"])
    assert str(error.value) == (
        "--clip must be the same in every channel for MONAI's ScaleIntensityRanged, got 1%:99%, "
        "which differs between them. Give both ends as values."
    )


def test_onnx_nodes_normalize():
    onnx = pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    found = stats(PIXELS, scale=2000)
    scope = {"helper": onnx.helper, "TensorProto": onnx.TensorProto}
    exec(paste_lines(found, ["onnxruntime"])["onnxruntime"], scope)
    shape = [1, 2, 6, 7]
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name in ("pixels", "normalized")
    ]
    graph = onnx.helper.make_graph(
        scope["nodes"], "normalization", ends[:1], ends[1:], scope["initializers"]
    )
    model = onnx.helper.make_model(graph)
    pixels = PIXELS[:1].astype(np.float32)
    (normalized,) = ReferenceEvaluator(model).run(None, {"pixels": pixels})
    expected = found.normalization.normalize(pixels / 2000)
    np.testing.assert_allclose(normalized, expected, atol=1e-4)


def test_tensorrts_scale_layer_normalizes():
    found = stats(PIXELS, scale=2000)

    class Network:
        def get_input(self, index):
            assert index == 0
            return PIXELS.astype(np.float32)

        def add_scale(self, tensor, mode, shift, scale, power):
            assert mode == "channel"
            assert {v.dtype for v in (shift, scale, power)} == {np.dtype(np.float32)}
            each = [np.reshape(v, (-1, 1, 1)) for v in (shift, scale, power)]
            return (tensor * each[1] + each[0]) ** each[2]

    class trt:  # noqa: N801
        class ScaleMode:
            CHANNEL = "channel"

    line = paste_lines(found, ["tensorrt"])["tensorrt"]
    normalized = eval(line, {"network": Network(), "trt": trt, "np": np})
    expected = found.normalization.normalize(PIXELS / 2000)
    np.testing.assert_allclose(normalized, expected, atol=1e-4)


def test_lines_after_a_clip_say_what_they_take(capsys, tmp_path):
    np.save(tmp_path / "a.npy", PIXELS)
    arguments = ["stats", str(tmp_path / "a.npy"), "--scale", "1", "--clip", "-500:500"]
    assert run([*arguments, "--format", "torchgeo"]) == 0
    clipped = np.clip(PIXELS.astype(float), -500, 500)
    out = capsys.readouterr().out
    assert (
        "Clip the pixels first, as stored, to -500..500; what follows does not:\ntorchgeo: " in out
    )
    (mean, std), = [
        [[float(v) for v in part.split("]")[0].split(",")] for part in line.split("tensor([")[1:]]
        for line in out.splitlines() if line.startswith("torchgeo")
    ]  # fmt: skip
    assert mean == pytest.approx(clipped.mean((0, 2, 3)), rel=1e-5)
    assert std == pytest.approx(clipped.std((0, 2, 3)), rel=1e-5)
    assert run([*arguments, "--format", "nnunet"]) == 0
    captured = capsys.readouterr()
    assert "Clip the pixels first" not in captured.out
    assert captured.err == (
        "nnU-Net's fingerprint is that of the foreground: add --mask with the label maps.\n"
    )


@pytest.mark.parametrize(
    ("dtype", "scale", "comment"),
    [
        (np.uint16, 4095, "  # of pixels / 4095"),
        (np.uint16, 1, "  # of pixels as they are"),
        (np.float32, 255, "  # of pixels / 255"),
        (np.uint16, None, ""),
        (np.float32, 1, ""),
    ],
)
def test_lines_say_what_libraries_would_divide_otherwise(dtype, scale, comment):
    found = stats(np.abs(PIXELS).astype(dtype), scale=scale)
    lines = paste_lines(found, ["torchvision", "keras", "albumentations"])
    assert lines["torchvision"].partition(")")[2] == lines["keras"].partition(")")[2] == comment
    assert "#" not in lines["albumentations"]  # which divides itself
