"""Lines for runtimes: OpenCV's really run, the others by what their manuals say they compute."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from normscope import stats
from normscope.cli.app import run
from normscope.normalization import IMAGENET, Normalization
from normscope.statistics.paste import paste_lines
from normscope.statistics.paste_runtimes import RUNTIMES
from normscope.statistics.pasted import Numbers

CAFFE = Normalization((0.485, 0.458, 0.408), (1 / 255,) * 3)
GREY = Normalization(0.1307, 0.3081)
HALF = Normalization((0.5,) * 3, (0.5,) * 3)
PIXELS = np.random.default_rng(0).integers(256, size=(3, 5, 6)).astype(np.uint8)
ALL = [IMAGENET, CAFFE, GREY, HALF]


FOUND = stats(PIXELS)


def of(normalization, library, scale=255):
    return RUNTIMES[library](Numbers.of(normalization, scale, FOUND))


def expected(normalization):
    """What the network is given for ``PIXELS``."""
    return normalization.normalize(PIXELS[: normalization.channels] / 255)


def stored(normalization):
    return PIXELS[: normalization.channels].astype(np.float64)


def columns(*values):
    return [np.reshape(v, (-1, 1, 1)) for v in values]


@pytest.mark.parametrize("normalization", ALL, ids=str)
def test_opencv_is_run(normalization):
    import cv2

    pasted = of(normalization, "opencv")
    pixels = PIXELS[: normalization.channels]
    bgr = np.ascontiguousarray(pixels[::-1].transpose(1, 2, 0))  # as cv2.imread gives it
    names = {"cv2": cv2, "np": np, "image": bgr, "WIDTH": 6, "HEIGHT": 5}
    found = eval(pasted.line, names)
    assert found.shape == (1, *pixels.shape)
    np.testing.assert_allclose(found[0], expected(normalization), atol=1e-4)
    differ = len(set(normalization.std)) > 1
    assert pasted.limit == (
        "blobFromImage has one scale for all channels, so the division by the stds follows it."
        if differ else None
    )  # fmt: skip


@pytest.mark.parametrize("normalization", ALL, ids=str)
def test_ncnn(normalization):
    line = of(normalization, "ncnn").line
    values = dict(re.findall(r"const float (\w+)\[\d\] = \{(.*?)\};", line))
    mean, norm = columns(*(
        [float(v.removesuffix("f")) for v in values[name].split(", ")]
        for name in ("mean_vals", "norm_vals")
    ))  # fmt: skip
    assert line.endswith(" in.substract_mean_normalize(mean_vals, norm_vals);")
    found = (stored(normalization) - mean) * norm
    np.testing.assert_allclose(found, expected(normalization), atol=2e-3)


@pytest.mark.parametrize("normalization", ALL, ids=str)
def test_openvino_s_options_and_api(normalization):
    line = of(normalization, "openvino-options").line
    found = re.fullmatch(r"--mean_values \[(.*)\] --scale_values \[(.*)\]", line)
    mean, scale = columns(*([float(v) for v in part.split(",")] for part in found.groups()))
    pixels = stored(normalization)
    np.testing.assert_allclose((pixels - mean) / scale, expected(normalization), atol=2e-3)
    found = re.fullmatch(
        r"ppp\.input\(\)\.preprocess\(\)\.mean\((.*)\)\.scale\((.*)\)",
        of(normalization, "openvino").line,
    )
    mean, scale = columns(*map(json.loads, found.groups()))
    np.testing.assert_allclose((pixels - mean) / scale, expected(normalization), atol=2e-3)


@pytest.mark.parametrize("normalization", ALL, ids=str)
def test_tflite_metadata(normalization):
    pasted = of(normalization, "tflite")
    ((unit,),) = json.loads(f"{{{pasted.line}}}").values()
    assert unit["options_type"] == "NormalizationOptions"
    mean, std = columns(unit["options"]["mean"], unit["options"]["std"])
    found = (stored(normalization) - mean) / std
    np.testing.assert_allclose(found, expected(normalization), atol=2e-3)
    assert pasted.limit == (
        "Metadata are applied by the Task library and MediaPipe, not by the interpreter alone, and "
        "not to models that take uint8."
    )


@pytest.mark.parametrize("normalization", [CAFFE, GREY, HALF], ids=str)
def test_core_ml_and_deepstream_where_one_scale_is_enough(normalization):
    class ct:  # noqa: N801
        class colorlayout:  # noqa: N801
            RGB, BGR, GRAYSCALE = "rgb", "bgr", "grey"

        @staticmethod
        def ImageType(shape, scale, bias, color_layout):  # noqa: N802
            assert shape == (1, normalization.channels, 5, 6)
            return color_layout, stored(normalization) * scale + np.reshape(bias, (-1, 1, 1))

    line = of(normalization, "coreml").line
    layout, found = eval(line, {"ct": ct, "HEIGHT": 5, "WIDTH": 6})
    assert layout == ("grey" if normalization is GREY else "rgb")
    np.testing.assert_allclose(found, expected(normalization), atol=2e-3)
    line = of(normalization, "deepstream").line
    options = dict(part.split("=") for part in line.splitlines())
    (offsets,) = columns([float(v) for v in options["offsets"].split(";")])
    found = float(options["net-scale-factor"]) * (stored(normalization) - offsets)
    np.testing.assert_allclose(found, expected(normalization), atol=2e-3)
    assert options["model-color-format"] == ("2" if normalization is GREY else "0")


def test_one_scale_cannot_say_several():
    said = "58.4, 57.12, 57.38"
    fold = "Fold it into the model: normscope fold, with --residual to leave one scale."
    for library, what in {
        "coreml": "Core ML's ImageType", "deepstream": "DeepStream's net-scale-factor",
    }.items():  # fmt: skip
        pasted = of(IMAGENET, library)
        assert pasted.line is None
        assert pasted.limit == (
            f"{what} has one scale for all channels, and these stds differ ({said}). {fold}"
        )


def test_runtimes_of_8_bits_refuse_other_scales():
    for library, what in {
        "coreml": "Core ML's ImageType", "deepstream": "DeepStream", "ncnn": "NCNN's from_pixels",
        "opencv": "OpenCV's blobFromImage",
    }.items():  # fmt: skip
        pasted = of(HALF, library, scale=65535)
        assert pasted.line is None
        assert pasted.limit.startswith(
            f"{what} takes images of 8 bits, and these are divided by 65535. "
        )


def test_stats_gives_and_refuses_them(tmp_path, capsys):
    images = np.random.default_rng(1).integers(256, size=(4, 3, 8, 8)).astype(np.uint8)
    images[:, 0] //= 2
    found = stats(images)
    assert {"coreml", "deepstream"} & set(paste_lines(found)) == set()
    assert set(RUNTIMES) - set(paste_lines(found)) == {"coreml", "deepstream"}
    np.save(tmp_path / "x.npy", images)
    run(["stats", str(tmp_path / "x.npy"), "--format", "deepstream"])
    assert (
        "--format must be a library that can say this normalization, got deepstream: DeepStream's "
        "net-scale-factor has one scale for all channels, and these stds differ ("
    ) in capsys.readouterr().err.replace("\n", " ")
    assert run(["stats", str(tmp_path / "x.npy"), "--format", "openvino-options"]) == 0
    captured = capsys.readouterr()
    assert "openvino-options: --mean_values [" in captured.out
    assert captured.err == (
        "mo until OpenVINO 2024 and benchmark_app have these options; ovc has not: "
        "use openvino's.\n"
    )
