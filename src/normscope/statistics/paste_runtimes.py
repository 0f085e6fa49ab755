"""The normalization as runtimes take it, and what each of them cannot express.

Values are in the pixels' own units. Where a runtime has one scale for all channels and the stds
differ, it gets no line: the usual replacement, their mean, is another normalization.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from normscope.statistics.pasted import BYTE, Numbers, Pasted, rounded
from normscope.wording import channels_text

if TYPE_CHECKING:
    from collections.abc import Callable

FOLD = "Fold it into the model: normscope fold, with --residual to leave one scale."


def openvino(n: Numbers) -> Pasted:
    """OpenVINO's own preprocessing API; every scale and type."""
    return Pasted(f"ppp.input().preprocess().mean({n.stored_mean}).scale({n.stored_std})")


def openvino_options(n: Numbers) -> Pasted:
    """The options of OpenVINO's tools, which divide by ``scale_values``."""
    mean, std = (",".join(map(str, values)) for values in (n.stored_mean, n.stored_std))
    return Pasted(
        f"--mean_values [{mean}] --scale_values [{std}]",
        "mo until OpenVINO 2024 and benchmark_app have these options; ovc has not: use openvino's.",
    )


def onnxruntime(n: Numbers) -> Pasted:
    """Two nodes, since ONNX Runtime takes no normalization beside a model."""
    shape = [1, len(n.mean), 1, 1]
    factor = rounded(1 / value for value in n.stored_std)
    line = (
        'nodes = [helper.make_node("Sub", ["pixels", "mean"], ["centred"]), '
        'helper.make_node("Mul", ["centred", "factor"], ["normalized"])]; initializers = '
        f'[helper.make_tensor("mean", TensorProto.FLOAT, {shape}, {n.stored_mean}), '
        f'helper.make_tensor("factor", TensorProto.FLOAT, {shape}, {factor})]'
    )
    return Pasted(
        line,
        "ONNX Runtime takes no normalization beside a model: these become its first nodes; "
        "normscope fold needs none.",
    )


def tensorrt(n: Numbers) -> Pasted:
    """A scale layer, which computes ``(pixel * scale + shift) ** power``."""
    both = list(zip(n.stored_mean, n.stored_std, strict=True))
    shift, factor = rounded(-m / s for m, s in both), rounded(1 / s for _, s in both)
    line = (
        "network.add_scale(network.get_input(0), trt.ScaleMode.CHANNEL, "
        f"shift=np.array({shift}, np.float32), scale=np.array({factor}, np.float32), "
        f"power=np.ones({len(both)}, np.float32))"
    )
    return Pasted(line, "It takes floats: cast pixels of 8 bits first.")


def coreml(n: Numbers) -> Pasted:
    """Core ML's image input, which computes ``scale * pixel + bias``: one scale."""
    refused = _of_bytes(n, "Core ML's ImageType") or _one_scale(n, "Core ML's ImageType")
    if refused:
        return refused
    (factor,) = rounded([1 / n.stored_std[0]])
    bias = rounded(-m / s for m, s in zip(n.stored_mean, n.stored_std, strict=True))
    layout = "ct.colorlayout.GRAYSCALE" if len(bias) == 1 else "ct.colorlayout.RGB"
    values = str(bias[0]) if len(bias) == 1 else str(bias)
    return Pasted(
        f"ct.ImageType(shape=(1, {len(bias)}, HEIGHT, WIDTH), scale={factor}, bias={values}, "
        f"color_layout={layout})"
    )


def tflite(n: Numbers) -> Pasted:
    """TFLite's metadata, which say ``(pixel - mean) / std`` by channel."""
    options = {"mean": n.stored_mean, "std": n.stored_std}
    unit = {"options_type": "NormalizationOptions", "options": options}
    return Pasted(
        f'"process_units": [{json.dumps(unit)}]',
        "Metadata are applied by the Task library and MediaPipe, not by the interpreter alone, and "
        "not to models that take uint8.",
    )


def ncnn(n: Numbers) -> Pasted:
    """NCNN's function, which computes ``(pixel - mean) * norm`` by channel, in C++."""
    factor = rounded(1 / value for value in n.stored_std)
    mean_vals, norm_vals = (
        f"const float {name}[{len(values)}] = {{{', '.join(f'{v}f' for v in values)}}};"
        for name, values in (("mean_vals", n.stored_mean), ("norm_vals", factor))
    )
    pixels = "PIXEL_GRAY" if len(factor) == 1 else "PIXEL_BGR2RGB or PIXEL_RGB"
    return _of_bytes(n, "NCNN's from_pixels") or Pasted(
        f"{mean_vals} {norm_vals} in.substract_mean_normalize(mean_vals, norm_vals);",
        f"The order of channels is that of from_pixels: {pixels}.",
    )


def deepstream(n: Numbers) -> Pasted:
    """DeepStream's options, which say ``net-scale-factor * (pixel - offset)``: one scale."""
    refused = _of_bytes(n, "DeepStream") or _one_scale(n, "DeepStream's net-scale-factor")
    if refused:
        return refused
    (factor,) = rounded([1 / n.stored_std[0]])
    offsets = ";".join(map(str, n.stored_mean))
    colours = 2 if len(n.mean) == 1 else 0
    return Pasted(f"net-scale-factor={factor}\noffsets={offsets}\nmodel-color-format={colours}")


def opencv(n: Numbers) -> Pasted:
    """OpenCV's ``blobFromImage``, which has one scale; a division by several stds follows it."""
    refused = _of_bytes(n, "OpenCV's blobFromImage")
    if refused:
        return refused
    swap = ", swapRB=True" if len(n.mean) > 1 else ""
    mean = tuple(n.stored_mean)
    if n.one_std:
        return Pasted(
            f"cv2.dnn.blobFromImage(image, 1 / {n.stored_std[0]}, (WIDTH, HEIGHT), {mean}{swap})"
        )
    return Pasted(
        f"cv2.dnn.blobFromImage(image, 1.0, (WIDTH, HEIGHT), {mean}{swap}) / "
        f"np.array({n.stored_std}, np.float32).reshape(1, -1, 1, 1)",
        "blobFromImage has one scale for all channels, so the division by the stds follows it.",
    )


RUNTIMES: dict[str, Callable[[Numbers], Pasted]] = {
    "openvino": openvino,
    "openvino-options": openvino_options,
    "onnxruntime": onnxruntime,
    "tensorrt": tensorrt,
    "coreml": coreml,
    "tflite": tflite,
    "ncnn": ncnn,
    "deepstream": deepstream,
    "opencv": opencv,
}


def _one_scale(n: Numbers, what: str) -> Pasted | None:
    if n.one_std:
        return None
    return Pasted(
        None,
        f"{what} has one scale for all channels, and these stds differ "
        f"({channels_text(n.stored_std)}). {FOLD}",
    )


def _of_bytes(n: Numbers, what: str) -> Pasted | None:
    if n.scale_value == BYTE:
        return None
    return Pasted(
        None, f"{what} takes images of 8 bits, and these are divided by {n.scale}. {FOLD}"
    )
