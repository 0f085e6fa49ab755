"""The normalization as other libraries take it, ready to be pasted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.statistics.paste_runtimes import RUNTIMES
from normscope.statistics.pasted import Numbers, Pasted, rounded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from normscope.statistics.collection_statistics import CollectionStatistics


def paste_lines(
    statistics: CollectionStatistics, libraries: Sequence[str] | None = None
) -> dict[str, str]:
    """One line for each library, by its name in ``FORMATS``.

    With a clip the mean and std are those of the clipped pixels, and the images must be clipped
    before; MONAI's line does so itself. nnU-Net clips by itself and takes the mean and std of
    pixels that are not clipped.

    Args:
        statistics: With no constant channel.
        libraries: Their names; all that can express it if None.

    Returns:
        Python, JSON, C++ or options. The first four and Keras take pixels of [0, 1]
        (albumentations and Hugging Face divide by the scale themselves), the others the pixels'
        own values.

    Raises:
        NormscopeError: If a channel is constant, MONAI is to clip each channel elsewhere, or a
            library that was named cannot express the normalization.
    """
    numbers = _numbers(statistics)
    lines = {}
    for name in libraries or FORMATS:
        made = _pasted(name, numbers)
        if made.line is not None:
            lines[name] = made.line
        elif libraries:
            raise NormscopeError(
                f"--format must be a library that can say this normalization, got {name}: "
                f"{made.limit}"
            )
    return lines


def limit_of(library: str, statistics: CollectionStatistics) -> str | None:
    """What a library's line leaves to do, in a sentence; None where it does all."""
    return _pasted(library, _numbers(statistics)).limit


def _numbers(statistics: CollectionStatistics) -> Numbers:
    clip = statistics.clip
    normalization = statistics.normalization  # a channel that is constant without a clip, first
    if clip is not None:
        normalization = clip.normalization
    return Numbers.of(normalization, statistics.scale, statistics)


def _pasted(name: str, numbers: Numbers) -> Pasted:
    if name in RUNTIMES:
        return RUNTIMES[name](numbers)
    return Pasted(LINES[name](numbers))


def _torchvision(n: Numbers) -> str:
    return f"transforms.Normalize(mean={n.mean}, std={n.std}){n.of_pixels}"


def _timm(n: Numbers) -> str:
    return "--mean {} --std {}".format(*(" ".join(map(str, values)) for values in (n.mean, n.std)))


def _albumentations(n: Numbers) -> str:
    return f"A.Normalize(mean={n.mean}, std={n.std}, max_pixel_value={n.scale})"


def _huggingface(n: Numbers) -> str:
    rescaled = "do_rescale=False" if n.scale_value == 1 else f"rescale_factor=1 / {n.scale}"
    return (
        f"AutoImageProcessor.from_pretrained(NAME, image_mean={n.mean}, image_std={n.std}, "
        f"{rescaled})"
    )


def _monai(n: Numbers) -> str:
    clip = n.found.clip
    if clip is None:
        return _monai_normalization(n.stored_mean, n.stored_std)
    if len(set(zip(clip.low, clip.high, strict=True))) > 1:
        raise NormscopeError(
            "--clip must be the same in every channel for MONAI's ScaleIntensityRanged, got "
            f"{clip.text}, which differs between them. Give both ends as values."
        )
    low, high = clip.low[0], clip.high[0]
    mean = rounded((value - low) / (high - low) for value in clip.stored_mean)
    std = rounded(value / (high - low) for value in clip.stored_std)
    (a_min, a_max) = rounded((low, high))
    return (
        f'Compose([ScaleIntensityRanged(keys="image", a_min={a_min}, a_max={a_max}, b_min=0.0, '
        f"b_max=1.0, clip=True), {_monai_normalization(mean, std)}])"
    )


def _monai_normalization(mean: list[float], std: list[float]) -> str:
    return f'NormalizeIntensityd(keys="image", subtrahend={mean}, divisor={std}, channel_wise=True)'


def _nnunet(n: Numbers) -> str:
    found = n.found
    percentiles = found.percentiles
    columns = {
        "max": found.maximum,
        "mean": found.stored_mean.value,
        "median": percentiles["50"].value,
        "min": found.minimum,
        "percentile_00_5": percentiles["0.5"].value,
        "percentile_99_5": percentiles["99.5"].value,
        "std": found.stored_std.value,
    }
    columns = {name: rounded(values) for name, values in columns.items()}
    channels = {
        str(channel): {name: values[channel] for name, values in columns.items()}
        for channel in range(found.channels)
    }
    return f'"foreground_intensity_properties_per_channel": {json.dumps(channels)}'


def _torchgeo(n: Numbers) -> str:
    # Of the class: its constructor makes the normalization, so that an object's come too late.
    return (
        f"DataModule.mean, DataModule.std = torch.tensor({n.stored_mean}), "
        f"torch.tensor({n.stored_std})  # of your class, before it is called"
    )


def _keras(n: Numbers) -> str:
    variance = rounded(value**2 for value in n.exact_std)
    return f"keras.layers.Normalization(mean={n.mean}, variance={variance}){n.of_pixels}"


LINES: dict[str, Callable[[Numbers], str]] = {
    "torchvision": _torchvision,
    "timm": _timm,
    "albumentations": _albumentations,
    "huggingface": _huggingface,
    "monai": _monai,
    "nnunet": _nnunet,
    "torchgeo": _torchgeo,
    "keras": _keras,
}
FORMATS = (*LINES, *RUNTIMES)


def usual_formats(statistics: CollectionStatistics) -> tuple[str, ...]:
    """Those that are shown where none is asked for; timm reads images of 8 bits alone."""
    first = FORMATS[:4]
    return tuple(name for name in first if name != "timm" or statistics.dtype == "uint8")
