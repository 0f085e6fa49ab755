"""What is wrong in a configuration by itself, a sentence each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from normscope.models.preprocessing.processor import kind, numbers, with_defaults
from normscope.models.preprocessing.steps import BYTE
from normscope.normalization import IMAGENET
from normscope.wording import channels_text, counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CLOSE = 0.01
"""A factor this near to 1/255, relatively, is one that was meant to be."""

OF_BYTES = 2.0
"""A mean or std above this is of pixels of 0..255, not of [0, 1]."""

MIDDLES = (0.5, 1.0, 127.5, 128.0)
"""Of [0, 1], [0, 2] and 0..255: a mean that is the std as well, by right, for values of [-1, 1]."""


def constant_faults(mean: Any, std: Any, channels: int | None, name: str) -> list[str]:
    """What is wrong with a mean and a std whatever they are used on.

    Args:
        mean: As a configuration has it; None where it says none.
        std: Likewise.
        channels: Of the model's images, where known.
        name: What sentences call the configuration.

    Returns:
        Sentences.
    """
    if mean is None and std is None:
        return []
    if mean is None or std is None:
        given, missing = ("std", "mean") if mean is None else ("mean", "std")
        return [f"{name} gives a {given} without a {missing}."]
    try:
        means, stds = numbers(mean), numbers(std)
    except (TypeError, ValueError):
        return [f"{name} must give a mean and a std in numbers, and gives {mean!r} and {std!r}."]
    return list(_constants(means, stds, channels, name))


def _constants(
    means: list[float], stds: list[float], channels: int | None, name: str
) -> Iterator[str]:
    lengths = {len(means), len(stds)} - {1}
    if len(lengths) > 1 or not means or not stds:
        yield (
            f"{name} gives a mean of {counted(len(means), 'number')} and a std of "
            f"{len(stds)}; they cannot belong together."
        )
    elif channels and lengths and lengths != {channels}:
        yield (
            f"{name} gives a mean and a std of {counted(lengths.pop(), 'channel')}, and the model "
            f"takes images of {channels}."
        )
    if not all(math.isfinite(v) for v in [*means, *stds]) or any(v <= 0 for v in stds):
        yield (
            f"{name} gives a std of {channels_text(stds)} and a mean of {channels_text(means)}; a "
            "std must be above 0, and both finite."
        )
    elif means == stds and not (len(set(means)) == 1 and means[0] in MIDDLES):
        yield (
            f"{name}: mean equals std in every channel ({channels_text(means)}); one was copied "
            "in the place of the other."
        )
    elif (tuple(means), tuple(stds)) == (IMAGENET.std, IMAGENET.mean):
        yield f"{name} has the mean and the std of imagenet in each other's place."


def processor_faults(
    settings: Mapping[str, Any], given: Mapping[str, Any], channels: int | None, name: str
) -> list[str]:
    """What is wrong in the settings of an image processor.

    Args:
        settings: With the defaults of its class.
        given: What the file itself says.
        channels: Of the model's images, where known.
        name: What sentences call the file.

    Returns:
        Sentences.
    """
    settings = with_defaults(settings)
    mean, std = given.get("image_mean"), given.get("image_std")
    if kind(settings) == "MobileViT":
        named = settings["image_processor_type"]
        asked = given.get("do_normalize") and mean is not None
        return [f"{name} has do_normalize true, and {named} does not normalize."] if asked else []
    faults = constant_faults(mean, std, channels, name)
    if mean is None or std is None:
        return faults
    if not settings["do_normalize"]:
        return [
            *faults,
            f"{name} has do_normalize false with constants given: its mean and std are not used.",
        ]
    try:
        return [*faults, *_scale_faults(settings, numbers(mean), numbers(std), name)]
    except (TypeError, ValueError, IndexError):
        return faults


def _scale_faults(
    settings: Mapping[str, Any], mean: list[float], std: list[float], name: str
) -> Iterator[str]:
    of_bytes = max(map(abs, [*mean, *std])) > OF_BYTES
    constants = f"its mean of {channels_text(mean)} and std of {channels_text(std)}"
    if not settings["do_rescale"]:
        if not of_bytes:
            yield (
                f"{name} has do_rescale false, which leaves pixels in 0..255, and {constants} are "
                "of pixels of [0, 1]."
            )
        return
    factor = numbers(settings["rescale_factor"])[0]
    top = BYTE * factor
    rescaled = f"{name} brings pixels to [0, {top:.4g}] by rescale_factor {_fraction(factor)}"
    if of_bytes and top < OF_BYTES + CLOSE:
        yield f"{rescaled}, and {constants} are of pixels of 0..255."
    elif settings.get("rescale_offset") or abs(top - 1) <= CLOSE or of_bytes:
        return
    elif any(abs(m - top / 2) > CLOSE * top for m in mean):
        yield f"{rescaled}, and {constants} are of pixels of [0, 1]."


def _fraction(factor: float) -> str:
    return f"1/{1 / factor:.6g}" if factor else "0"
