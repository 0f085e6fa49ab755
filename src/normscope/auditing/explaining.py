"""Which mistake explains the normalization that a pipeline really applies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.auditing.applied import TOLERANCES, AppliedNormalization
from normscope.auditing.mistakes import correct_values, wants_bytes
from normscope.auditing.value_map import ValueMap
from normscope.images.frames import COLOURS
from normscope.models.preprocessing.dark import used_by_constants
from normscope.normalization import PRESETS
from normscope.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from normscope.normalization import Normalization

SCALED = "scaled"
"""The name of an explanation by some other factor."""

AS_GOOD = 0.25
"""Explanations that lie farther apart than this share of what a resize explains can be told."""

MIDDLE = 0.5
"""About the mean of pixels that are not dark."""

SURE = 1 - 1e-6
"""From this squared correlation on the constants are known so exactly that the nearest counts."""


@dataclass(frozen=True)
class Explanation:
    """A mistake that gives what was found.

    Attributes:
        name: A short one that programs can rely on.
        description: What is done, in a few words.
    """

    name: str
    description: str


def explain(
    applied: AppliedNormalization,
    reference: Normalization,
    known: Mapping[str, Normalization] = PRESETS,
) -> Explanation | None:
    """What was done in place of the reference's normalization.

    Args:
        applied: What a pipeline does to values.
        reference: What it should do, with as many channels.
        known: Other normalizations by name, which may have been taken for it.

    Returns:
        The mistake that gives nearly these constants, or several joined by ``or`` where they cannot
        be told apart; None where it is no mistake, or none that is known.

    Example:
        >>> from normscope.normalization import IMAGENET
        >>> copied = AppliedNormalization(IMAGENET.mean, IMAGENET.mean, (0, 1, 2), 1.0)
        >>> explain(copied, IMAGENET).description
        'the mean stands in the place of the std'
    """
    if not applied.differs(reference):
        return None
    found = [
        (_distance(applied, values, reference), name, description)
        for name, description, values in mistakes_of(reference, known)
    ]
    fitting = sorted(row[:3] for row in found if row[0] <= 1)
    if not fitting:
        return _scaled(applied, reference)
    nearest = fitting[0][0]
    most = nearest if applied.alike >= SURE else nearest + AS_GOOD
    chosen = [row for row in fitting if row[0] <= most]
    # BGR and something else explain nothing that one of the two does alone.
    chosen = [r for r in chosen if not r[1].startswith("bgr-pixels, ")] or chosen[:1]
    return Explanation(chosen[0][1], listed([row[2] for row in chosen], "or"))


def _scaled(applied: AppliedNormalization, reference: Normalization) -> Explanation | None:
    """Where pixels are multiplied by some other number than they should be."""
    factor = float(np.median(np.asarray(reference.std) / np.asarray(applied.std)))
    if factor <= 0:
        return None
    values = correct_values(reference).after(ValueMap.scaling(factor, reference.channels))
    if _distance(applied, values, reference) > 1:
        return None
    said = f"pixels are scaled by {factor:.4g} before, as by a wrong rescale_factor"
    return Explanation(SCALED, said)


def _distance(applied: AppliedNormalization, values: ValueMap, reference: Normalization) -> float:
    """How far a map lies from what was found, where 1 is the farthest that a resize explains."""
    order = list(applied.order)
    expected = values.matrix[range(len(order)), order]
    others = np.abs(values.matrix).sum(axis=1) - np.abs(expected)
    if others.any() or not expected.all():
        return np.inf
    mean, std = -values.shift / expected, 1 / expected
    met_mean, met_std = np.asarray(applied.mean), np.asarray(applied.std)
    if (met_std * std <= 0).any():
        return np.inf
    of_mean, of_std = TOLERANCES[applied.closeness]
    # An error of the std moves a mean that lies far from where pixels do.
    unit = used_by_constants(reference)
    middle = np.where(unit < 1, reference.mean, MIDDLE)
    room = of_mean * unit + of_std * np.abs(mean - middle)
    return float(
        max(
            (np.abs(met_mean - mean) / room).max(),
            (np.abs(met_std / std - 1) / of_std).max(),
        )
    )


_Row = tuple[str, str, ValueMap]


def mistakes_of(
    reference: Normalization, known: Mapping[str, Normalization] = PRESETS
) -> Iterator[_Row]:
    """The mistakes that are known by name.

    Args:
        reference: What should be done, one value per channel.
        known: Other normalizations by name, which may be taken for it.

    Yields:
        A short name, what is done in words, and what becomes of pixels.
    """
    channels = reference.channels
    one_order: list[_Row] = []
    for row in [*_of_values(reference), *_of_others(reference, known)]:
        # Of two ways to the same values, the first is the usual one.
        if not any(row[2].equals(other) for _, _, other in one_order):
            one_order.append(row)
    yield from one_order
    if channels != COLOURS:
        return
    reverse = ValueMap.reversing(COLOURS)
    right = correct_values(reference)
    yield "bgr", "images and constants are BGR for RGB", reverse.after(right)
    yield "bgr-pixels", "images are BGR for RGB", right.after(reverse)
    crossed = ValueMap.normalizing(reference.mean[::-1], reference.std[::-1])
    yield "bgr-constants", "the constants are in BGR order and the images RGB", crossed
    mean_alone = ValueMap.normalizing(reference.mean[::-1], reference.std)
    yield "mean-order", "the mean is in reverse order and the std is not", mean_alone
    for name, description, values in one_order:
        yield (
            f"bgr-pixels, {name}",
            f"images are BGR for RGB, and {description}",
            values.after(reverse),
        )


def _of_values(reference: Normalization) -> Iterator[_Row]:
    channels = reference.channels
    unit = 255.0 if wants_bytes(reference) else 1.0
    mean, std = unit * np.asarray(reference.mean), unit * np.asarray(reference.std)
    zeros, ones = np.zeros(channels), np.ones(channels)

    def given(factor: float, mean: np.ndarray, std: np.ndarray) -> ValueMap:
        return ValueMap.normalizing(mean, std).after(ValueMap.scaling(factor, channels))

    right = given(unit, mean, std)
    yield "twice", "it is normalized twice", ValueMap.normalizing(mean, std).after(right)
    if unit == 1:
        yield "0..255", "pixels of 0..255 are not divided by 255", given(255, mean, std)
        early = ValueMap.normalizing(zeros, std).after(
            ValueMap.scaling(1 / 255, channels).after(given(255, mean, ones))
        )
        yield "mean-first", "the mean is subtracted before the pixels are divided by 255", early
        yield (
            "0..255-no-std",
            "the mean is subtracted from pixels of 0..255, and nothing is divided",
            given(255, 255 * mean, ones),
        )
        yield "bytes", "pixels of 0..255 are handed over as they are", given(255, zeros, ones)
        yield "divided-twice", "pixels are divided by 255 twice", given(1 / 255, mean, std)
    else:
        yield "0..1", "pixels of [0, 1] take the place of 0..255", given(1, mean, std)
    yield "no-std", "nothing is divided by the std", given(unit, mean, ones)
    yield "no-mean", "no mean is subtracted", given(unit, zeros, std)
    yield "mean-added", "the mean is added", given(unit, -mean, std)
    yield "multiplied", "it is multiplied by the std", given(unit, mean, 1 / std)
    yield "variance", "it is divided by the variance, not by the std", given(unit, mean, std**2)
    inverted = right.after(ValueMap(-np.eye(channels), ones))
    yield "inverted", "bright is dark and dark is bright", inverted
    if all(mean > 0):
        yield "mean-as-std", "the mean stands in the place of the std", given(unit, mean, mean)
        yield "swapped", "mean and std have changed places", given(unit, std, mean)
    yield "std-as-mean", "the std stands in the place of the mean", given(unit, std, std)


def _of_others(reference: Normalization, known: Mapping[str, Normalization]) -> Iterator[_Row]:
    channels = reference.channels
    right = correct_values(reference)
    plain = ValueMap.scaling(1, channels)
    for name, other in known.items():
        if other.channels not in {1, channels}:
            continue
        values = correct_values(other.for_channels(channels))
        if values.equals(right):
            continue
        if values.equals(plain):
            yield name, "it is not normalized", values
            continue
        yield name, f"it is normalized with {name}", values
        again = right.after(values)
        yield f"{name}, twice", f"it is normalized with {name} and then once more", again
