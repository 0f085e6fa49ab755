"""The normalization as other libraries take it, ready to be pasted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from normscope.statistics.collection_statistics import CollectionStatistics

SIGNIFICANT = 6


@dataclass(frozen=True)
class _Numbers:
    """What the lines are made of, rounded; stored ones are in the pixels' own units."""

    found: CollectionStatistics
    mean: list[float]
    std: list[float]
    stored_mean: list[float]
    stored_std: list[float]

    @classmethod
    def of(cls, found: CollectionStatistics) -> _Numbers:
        normalization = found.normalization  # a channel that is constant without a clip, first
        if found.clip is not None:
            normalization = found.clip.normalization
        both = (normalization.mean, normalization.std)
        stored = ([value * found.scale for value in values] for values in both)
        return cls(found, *map(_rounded, both), *map(_rounded, stored))

    @property
    def scale(self) -> str:
        return f"{self.found.scale:.10g}"


def paste_lines(
    statistics: CollectionStatistics, libraries: Sequence[str] | None = None
) -> dict[str, str]:
    """One line for each library, by its name in ``FORMATS``.

    With a clip the mean and std are those of the clipped pixels, and the images must be clipped
    before; MONAI's line does so itself. nnU-Net clips by itself and takes the mean and std of
    pixels that are not clipped.

    Args:
        statistics: With no constant channel.
        libraries: Their names; all if None.

    Returns:
        Python, JSON or options. The first four and Keras take pixels of [0, 1] (albumentations and
        Hugging Face divide by the scale themselves), the others the pixels' own values.

    Raises:
        NormscopeError: If a channel is constant, or MONAI is to clip each channel elsewhere.
    """
    numbers = _Numbers.of(statistics)
    return {name: LINES[name](numbers) for name in libraries or FORMATS}


def _torchvision(n: _Numbers) -> str:
    return f"transforms.Normalize(mean={n.mean}, std={n.std})"


def _timm(n: _Numbers) -> str:
    return "--mean {} --std {}".format(*(" ".join(map(str, values)) for values in (n.mean, n.std)))


def _albumentations(n: _Numbers) -> str:
    return f"A.Normalize(mean={n.mean}, std={n.std}, max_pixel_value={n.scale})"


def _huggingface(n: _Numbers) -> str:
    rescaled = "do_rescale=False" if n.found.scale == 1 else f"rescale_factor=1 / {n.scale}"
    return (
        f"AutoImageProcessor.from_pretrained(NAME, image_mean={n.mean}, image_std={n.std}, "
        f"{rescaled})"
    )


def _monai(n: _Numbers) -> str:
    clip = n.found.clip
    if clip is None:
        return _monai_normalization(n.stored_mean, n.stored_std)
    if len(set(zip(clip.low, clip.high, strict=True))) > 1:
        raise NormscopeError(
            "--clip must be the same in every channel for MONAI's ScaleIntensityRanged, got "
            f"{clip.text}, which differs between them. Give both ends as values."
        )
    low, high = clip.low[0], clip.high[0]
    mean = _rounded((value - low) / (high - low) for value in clip.stored_mean)
    std = _rounded(value / (high - low) for value in clip.stored_std)
    (a_min, a_max) = _rounded((low, high))
    return (
        f'Compose([ScaleIntensityRanged(keys="image", a_min={a_min}, a_max={a_max}, b_min=0.0, '
        f"b_max=1.0, clip=True), {_monai_normalization(mean, std)}])"
    )


def _monai_normalization(mean: list[float], std: list[float]) -> str:
    return f'NormalizeIntensityd(keys="image", subtrahend={mean}, divisor={std}, channel_wise=True)'


def _nnunet(n: _Numbers) -> str:
    found, percentiles = n.found, n.found.percentiles
    columns = {
        "max": found.maximum,
        "mean": found.stored_mean.value,
        "median": percentiles["50"].value,
        "min": found.minimum,
        "percentile_00_5": percentiles["0.5"].value,
        "percentile_99_5": percentiles["99.5"].value,
        "std": found.stored_std.value,
    }
    rounded = {name: _rounded(values) for name, values in columns.items()}
    channels = {
        str(channel): {name: values[channel] for name, values in rounded.items()}
        for channel in range(found.channels)
    }
    return f'"foreground_intensity_properties_per_channel": {json.dumps(channels)}'


def _torchgeo(n: _Numbers) -> str:
    # Of the class: its constructor makes the normalization, so that an object's come too late.
    return (
        f"DataModule.mean, DataModule.std = torch.tensor({n.stored_mean}), "
        f"torch.tensor({n.stored_std})  # of your class, before it is called"
    )


def _keras(n: _Numbers) -> str:
    variance = _rounded(value**2 for value in n.found.std.value)
    if n.found.clip is not None:
        variance = _rounded(value**2 for value in n.found.clip.std)
    return f"keras.layers.Normalization(mean={n.mean}, variance={variance})"


def _openvino(n: _Numbers) -> str:
    return f"ppp.input().preprocess().mean({n.stored_mean}).scale({n.stored_std})"


def _onnxruntime(n: _Numbers) -> str:
    # ONNX Runtime takes no normalization beside a model, so it becomes the model's first nodes.
    shape = [1, len(n.mean), 1, 1]
    factor = _rounded(1 / value for value in n.stored_std)
    return (
        'nodes = [helper.make_node("Sub", ["pixels", "mean"], ["centred"]), '
        'helper.make_node("Mul", ["centred", "factor"], ["normalized"])]; initializers = '
        f'[helper.make_tensor("mean", TensorProto.FLOAT, {shape}, {n.stored_mean}), '
        f'helper.make_tensor("factor", TensorProto.FLOAT, {shape}, {factor})]'
    )


def _tensorrt(n: _Numbers) -> str:
    both = list(zip(n.stored_mean, n.stored_std, strict=True))
    shift, factor = _rounded(-m / s for m, s in both), _rounded(1 / s for _, s in both)
    # Its order is (pixel * scale + shift) ** power.
    return (
        "network.add_scale(network.get_input(0), trt.ScaleMode.CHANNEL, "
        f"shift=np.array({shift}, np.float32), scale=np.array({factor}, np.float32), "
        f"power=np.ones({len(both)}, np.float32))"
    )


LINES: dict[str, Callable[[_Numbers], str]] = {
    "torchvision": _torchvision,
    "timm": _timm,
    "albumentations": _albumentations,
    "huggingface": _huggingface,
    "monai": _monai,
    "nnunet": _nnunet,
    "torchgeo": _torchgeo,
    "keras": _keras,
    "openvino": _openvino,
    "onnxruntime": _onnxruntime,
    "tensorrt": _tensorrt,
}
FORMATS = tuple(LINES)


def usual_formats(statistics: CollectionStatistics) -> tuple[str, ...]:
    """Those that are shown where none is asked for; timm reads images of 8 bits alone."""
    first = FORMATS[:4]
    return tuple(name for name in first if name != "timm" or statistics.dtype == "uint8")


def _rounded(values) -> list[float]:
    return [float(f"{value:.{SIGNIFICANT}g}") for value in values]
