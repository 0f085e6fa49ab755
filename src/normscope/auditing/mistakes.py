"""The usual preprocessing mistakes: which pixels a network is given, and on what scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.auditing.value_map import ValueMap
from normscope.auditing.variants import BYTES, OF_DEEP, PIXEL_MISTAKES, REFERENCE, WHITE
from normscope.images.frames import COLOURS
from normscope.normalization import PRESETS
from normscope.wording import counted

if TYPE_CHECKING:
    from normscope.auditing.variants import Preparation
    from normscope.normalization import Normalization

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a grey image (ITU-R BT.601-7, 2011, section 2.5.1), which
Pillow's ``convert("L")`` and OpenCV's ``COLOR_RGB2GRAY`` have too."""

LARGEST_UNSCALED_STD = 2 / 255
"""A normalization whose stds are all below this wants values of 0..255: its outputs span 128 or
more, where one for [0, 1] spans a few units."""

COLOUR_MISTAKES = {"bgr-pixels", "grey"}
"""They leave an image with equal channels as it is."""


@dataclass(frozen=True)
class Mistake:
    """One way to prepare images wrongly.

    Attributes:
        name: A short one that programs can rely on.
        description: What is done, in a few words.
        pixels: Which pixels the network is given: ``"reference"`` for the right ones, else a
            variant's name.
        values: What becomes of these pixels.
        reason: Why the mistake cannot be made here; None where it can.
    """

    name: str
    description: str
    pixels: str
    values: ValueMap
    reason: str | None = None


def wants_bytes(normalization: Normalization) -> bool:
    """Whether it is one for pixels of 0..255, and not of [0, 1]."""
    return max(normalization.std) <= LARGEST_UNSCALED_STD


def correct_values(normalization: Normalization) -> ValueMap:
    """What becomes of the pixels where nothing goes wrong."""
    return ValueMap.normalizing(normalization.mean, normalization.std)


def usual_mistakes(
    normalization: Normalization,
    preparation: Preparation,
    *,
    blue_first: bool = False,
    white: float = WHITE,
) -> list[Mistake]:
    """Every mistake that is priced.

    Args:
        normalization: The correct one, with one value per channel, red first.
        preparation: What is correctly done to each image before.
        blue_first: Whether the network takes blue, green, red.
        white: What the files' pixels are divided by.

    Returns:
        Mistakes of values, then of channels, then of pixels; each once.
    """
    correct = correct_values(normalization)
    deep = None if preparation.depth == BYTES else preparation.depth
    of_values = [*_of_values(normalization, white, deep), *_of_channels(normalization)]
    mistakes = [
        Mistake(
            name,
            named_order(description, blue_first=blue_first),
            REFERENCE,
            values,
            reason or _same(values, correct),
        )
        for name, description, values, reason in of_values
    ]
    for name, description in PIXEL_MISTAKES.items():
        if name in OF_DEEP and preparation.depth == BYTES:
            continue
        reason = preparation.why_not(name)
        mistakes.append(Mistake(name, description, name, correct, reason))
    return mistakes


def named_order(description: str, *, blue_first: bool) -> str:
    """A description of a mistake in the words of the order of channels that a network takes."""
    return description.replace("BGR for RGB", "RGB for BGR") if blue_first else description


def _same(values: ValueMap, correct: ValueMap) -> str | None:
    return "it is the same as the reference here" if values.equals(correct) else None


_Row = tuple[str, str, ValueMap, str | None]


def _of_values(normalization: Normalization, white: float, deep: np.dtype | None) -> list[_Row]:
    channels = normalization.channels
    # In wide pixels stds are often small.
    bytes_wanted = deep is None and wants_bytes(normalization)
    # The unit that the network's values are in, and the constants in it.
    unit = 255.0 if bytes_wanted else 1.0
    mean, std = unit * np.asarray(normalization.mean), unit * np.asarray(normalization.std)
    ones, zeros = np.ones(channels), np.zeros(channels)
    normalizing = ValueMap.normalizing(mean, std)

    def given(factor: float, then: ValueMap = normalizing) -> ValueMap:
        return then.after(ValueMap.scaling(factor, channels))

    of_bytes: list[_Row] = [
        (
            "0..255",
            "0..255 in place of [0, 1]",
            given(255),
            "the reference takes pixels of 0..255 already" if bytes_wanted else None,
        ),
        (
            "0..1",
            "[0, 1] in place of 0..255",
            given(1),
            None if bytes_wanted else "the reference takes pixels of [0, 1] already",
        ),
    ]
    of_deep: list[_Row] = [
        ("undivided", f"0..{white:.10g} in place of [0, 1]", given(white), None),
        ("by-255", f"divided by 255, not by {white:.10g}", given(white / WHITE), None),
    ]
    if deep is not None and deep.kind in "iu" and white != (most := np.iinfo(deep).max):
        by_type = f"divided by {most}, not by {white:.10g}"
        of_deep.append(("by-type", by_type, given(white / most), None))
    rows: list[_Row] = [
        ("none", "no normalization", given(unit, ValueMap.scaling(1, channels)), None),
        *(of_bytes if deep is None else of_deep),
        ("divided-twice", f"divided by {white:.10g} twice", given(1 / white), None),
        ("twice", "normalized twice", normalizing.after(given(unit)), None),
        ("no-std", "not divided by the std", given(unit, ValueMap.normalizing(mean, ones)), None),
        (
            "multiplied",
            "multiplied by the std",
            given(unit, ValueMap.normalizing(mean, 1 / std)),
            None,
        ),
    ]
    for name in ("imagenet", "half"):
        preset = PRESETS[name]
        if preset.channels not in {1, channels}:
            reason = f"{name} has {preset.channels} channels, the network {channels}"
            rows.append(
                (name, f"normalized with {name}", ValueMap(np.eye(channels), zeros), reason)
            )
            continue
        preset = preset.for_channels(channels)
        rows.append((name, f"normalized with {name}", correct_values(preset), None))
    return rows


def _of_channels(normalization: Normalization) -> list[_Row]:
    channels = normalization.channels
    correct = correct_values(normalization)
    reason = (
        None
        if channels == COLOURS
        else f"the network takes {counted(channels, 'channel')}, not RGB"
    )
    reverse, grey = ValueMap.scaling(1, channels), ValueMap.scaling(1, channels)
    if reason is None:
        reverse = ValueMap.reversing(COLOURS)
        grey = ValueMap(np.tile(LUMA, (COLOURS, 1)), np.zeros(COLOURS))
    crossed = ValueMap.normalizing(normalization.mean[::-1], normalization.std)
    return [
        ("bgr", "BGR for RGB, images and constants", reverse.after(correct), reason),
        ("bgr-pixels", "BGR for RGB, images alone", correct.after(reverse), reason),
        ("mean-order", "mean in reverse order, std not", crossed, reason),
        ("grey", "grey, three times", correct.after(grey), reason),
    ]
