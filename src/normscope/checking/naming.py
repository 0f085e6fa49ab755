"""What a verdict calls constants and mistakes: in the unit in use, with a name where they have one.

Constants that were fitted are said to be about so; those that are known, stated or given are exact.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from normscope.auditing.explaining import SCALED, explain
from normscope.auditing.mistakes import named_order
from normscope.checking.in_use import NORM
from normscope.checking.opinions import SURE
from normscope.detection.candidates import KNOWN, Candidate
from normscope.models.preprocessing.claim import BGR
from normscope.normalization import PRESETS

if TYPE_CHECKING:
    from normscope.auditing.applied import AppliedNormalization
    from normscope.checking.in_use import InUse
    from normscope.checking.opinions import Expected, Opinion
    from normscope.normalization import Normalization

ORDER_ALONE = {"images are BGR for RGB", "images are RGB for BGR"}


def text(expected: Expected, in_use: InUse | None = None) -> str:
    """What is expected: its name and its numbers.

    Args:
        expected: What the network expects.
        in_use: In whose unit the numbers are to be; None for pixels of [0, 1].

    Returns:
        Such as ``imagenet (0.485,0.456,0.406/0.229,0.224,0.225)`` or ``about 0.2/0.45``.
    """
    name = _known_name(expected)
    said = numbers(expected.opinion, in_use)
    said = said if name is None else f"{name} ({said})"
    return f"{said}, channels in BGR order" if expected.opinion.order == BGR else said


def numbers(opinion: Opinion, in_use: InUse | None = None) -> str:
    """The constants that a source names, and their unit where it is not pixels of [0, 1]."""
    assert opinion.normalization is not None
    found = Candidate.of(opinion.normalization, opinion.order, fitted=opinion.fitted)
    return candidate_called(found, in_use)


def called(expected: Expected, in_use: InUse | None = None) -> str:
    """Its name, or its numbers where it has none."""
    return _known_name(expected) or numbers(expected.opinion, in_use)


def candidate_called(candidate: Candidate, in_use: InUse | None = None) -> str:
    """A candidate's name, or its numbers in the unit in use where it is given."""
    if in_use is None or not candidate.given:
        return candidate.name
    whole = in_use.in_unit(candidate.normalization)
    return f"{Candidate.of(whole, candidate.order, fitted=candidate.fitted).name}{in_use.unit}"


def usable(expected: Expected, in_use: InUse | None = None) -> str:
    """What ``--norm`` takes for it: a preset's name, or the numbers."""
    preset = _preset(expected.normalization)
    if in_use is None or in_use.factor == 1:
        return preset or f"{expected.normalization:.6g}"
    return f"{in_use.in_unit(expected.normalization):{'.3g' if expected.opinion.fitted else '.6g'}}"


def _known_name(expected: Expected) -> str | None:
    return _preset(expected.normalization) or expected.opinion.name


def _preset(normalization: Normalization) -> str | None:
    for name, preset in PRESETS.items():
        if preset.channels in {1, normalization.channels} and (
            preset.for_channels(normalization.channels) == normalization
        ):
            return name
    return None


def mistake(in_use: InUse, seen: AppliedNormalization, expected: Expected) -> tuple[str, str, str]:
    """What is done in place of what is expected, and what to do about it.

    Args:
        in_use: What is done.
        seen: The same in the network's order of channels.
        expected: What should be done.

    Returns:
        The mistake, or the constants where it is none that is known; what to do; and the
        constants to use, as ``--norm`` takes them.
    """
    found = described(in_use, seen, expected)
    if found != in_use.cause:
        probably = "" if expected.confidence > SURE else "what it was trained with, probably "
        turn = "turn the channels round and keep the constants" if found in ORDER_ALONE else None
        return found, turn or f"use {probably}{text(expected, in_use)}", usable(expected, in_use)
    mend = in_use.mend or f"use {text(expected, in_use)}"
    if in_use.factor == 1:
        return found, mend, usable(expected)
    # Once pixels are divided as they should be, constants are of [0, 1].
    kept = not in_use.as_given(seen).differs(expected.in_network_order)
    then = "keep the constants" if kept else f"use {text(expected)}"
    return found, f"{mend} and {then}", usable(expected)


def described(in_use: InUse, seen: AppliedNormalization, expected: Expected) -> str:
    """What is done in place of what is expected, in a few words.

    Args:
        in_use: What is done.
        seen: The same in the network's order of channels.
        expected: What should be done.

    Returns:
        The mistake, or the constants where it is none that is known.
    """
    given, right = in_use.as_given(seen), expected.in_network_order
    if in_use.cause is not None and (
        in_use.factor == 1 or _known_name(expected) or not given.differs(right)
    ):
        return in_use.cause
    inside = expected.opinion.inside
    if inside is not None and not seen.differs(inside.for_channels(len(seen.mean))):
        return "it is normalized twice, in front of the model and by the model itself"
    reverse = seen.order != tuple(range(len(seen.order)))
    known = {name: normalization for name, (normalization, _) in KNOWN.items()} | dict(PRESETS)
    found = explain(given, in_use.in_unit(right), known)
    # Who states constants says nothing of how pixels are scaled.
    if found is not None and not (found.name == SCALED and in_use.what.startswith(NORM)):
        return named_order(found.description, blue_first=expected.opinion.order == BGR)
    plain = replace(given, order=tuple(range(len(given.order))))
    order = " and its channels are in another order" if reverse else ""
    return f"it is normalized with {plain}{in_use.unit}{order}"
