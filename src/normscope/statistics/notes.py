"""What a reader of a collection's statistics should beware of, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from normscope.arguments import for_caller
from normscope.images.containers.opening import to_be_named
from normscope.images.formats import passed_over
from normscope.images.pixels import ALIKE, ALPHA_KEPT, ALPHA_MASKED, PARTS, UNIT, noticed_of
from normscope.images.scale import unused_bits_of
from normscope.statistics.fill_values import measured_ends
from normscope.statistics.image_sums import TWO_VALUED
from normscope.wording import counted, listed, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.images.collection import Stream
    from normscope.statistics.collected import Collected
    from normscope.statistics.fill_values import FillValue
    from normscope.statistics.moments import Moments
    from normscope.statistics.reading import Reading

MOST_EMPTY = 5


def notes_on(
    collected: Collected,
    stream: Stream,
    reading: Reading,
    images: int,
    pixels: int,
    moments: Moments,
    given: float | None,
    grey: int,
    fills: Sequence[FillValue],
) -> tuple[str, ...]:
    """Sentences on what to beware of.

    Args:
        collected: The sums over all of the collection.
        stream: Where it came from.
        reading: How it was read.
        images: How many images were read.
        pixels: Their height times width, summed.
        moments: Sums over their pixels.
        given: The scale that was given, by the user or the source.
        grey: How many grey images count as colour ones.
        fills: The values that are perhaps no measurements.

    Returns:
        Sentences.
    """
    notes = (
        *stream.notes,
        *(fill.sentence for fill in fills),
        *filter(None, [passed_over(stream.passed), to_be_named(stream.passed), _empty(stream)]),
        *_noticed(collected, reading),
        *_masks(collected, stream, images, grey, len(moments.n)),
        *_nan(collected.nan),
        *_series(collected, reading),
        *_foreground(reading, moments, pixels),
        *_notes(stream, images, moments, given, grey),
        *_dependence(collected),
    )
    return tuple(map(for_caller, notes))


def _empty(stream: Stream) -> str:
    if not stream.empty:
        return ""
    verb = "holds" if len(stream.empty) == 1 else "hold"
    return f"{listed(stream.empty, most=MOST_EMPTY)} {verb} no image."


def unit_of(collected: Collected, images: int) -> str | None:
    """The unit of the pixels' values, where the files themselves say so.

    Args:
        collected: The sums over all of the collection.
        images: How many images were read.

    Returns:
        Such as ``HU``, or None where an image does not say, or says another.
    """
    units = {
        what.partition(UNIT)[2]: count for what, count in collected.noticed.items() if UNIT in what
    }
    return next(iter(units)) if list(units.values()) == [images] else None


def _nan(values: int) -> list[str]:
    if not values:
        return []
    verbs = ("is", "does") if values == 1 else ("are", "do")
    return [f"{counted(values, 'pixel value')} {verbs[0]} NaN and {verbs[1]} not count."]


def _series(collected: Collected, reading: Reading) -> list[str]:
    if len(collected.series) < 2 or reading.groups is not None:
        return []
    return [f"The DICOM files are of {len(collected.series):,} series: --by series compares them."]


def _dependence(collected: Collected) -> list[str]:
    alike = any(images > 1 for images in collected.series.values())
    if not alike and not any(PARTS in what for what in collected.noticed):
        return []
    return [ALIKE]


def _foreground(reading: Reading, moments: Moments, pixels: int) -> list[str]:
    which = [] if reading.above is None else [f"above {reading.above:g}"]
    which += [] if reading.masks is None else [f"inside the masks of {reading.masks.folder}"]
    if not which:
        return []
    shares = [f"{100 * n / pixels:.3g} %" for n in dict.fromkeys(moments.n)]
    return [f"Only pixels {listed(which)} count: {', '.join(shares)} of all."]


def _notes(
    stream: Stream, images: int, moments: Moments, given: float | None, grey: int
) -> tuple[str, ...]:
    notes = []
    dtype = np.dtype(moments.dtype)
    if dtype.kind in "iu" and dtype.itemsize > 1:
        notes.append(_range_note(dtype, moments, given))
    if grey:
        verb = "counts" if grey == 1 else "count"
        notes.append(
            f"{grey} {plural(grey, 'grey image')} {verb} as colour with three equal channels."
        )
    if moments.whole is None and (dtype.kind == "f" or dtype.itemsize > 2):
        notes.append("Quantiles are known to within 0.8 %: wide pixels share bins.")
    notes.append(_sample_note(images, stream.whole))
    return tuple(notes)


def _masks(
    collected: Collected, stream: Stream, images: int, grey: int, channels: int
) -> list[str]:
    if named := stream.names.note(images, grey, channels):
        return [named]
    count = collected.noticed[TWO_VALUED]
    if count in {0, images}:
        return []
    verb = "has" if count == 1 else "have"
    said = (
        f"{count} of {counted(images, 'image')} {verb} only two values: if they are masks, leave "
        "them out with --select, such as --select 'images/*'."
    )
    return [said]


def _noticed(collected: Collected, reading: Reading) -> list[str]:
    shown = {
        what: count
        for what, count in collected.noticed.items()
        if what != TWO_VALUED and (reading.alpha is None or what not in {ALPHA_MASKED, ALPHA_KEPT})
    }
    return noticed_of(shown)


def _sample_note(images: int, whole: str) -> str:
    if images < 2:
        return "One image says nothing of how images differ, so there are no standard errors."
    if whole:
        return (
            f"These {images} images are the whole {whole}, whose mean and std are exact; the "
            "standard errors hold where they stand for more images like them."
        )
    return (
        f"The standard errors treat these {images} images as a sample of more; if they are the "
        "whole collection, its mean and std are exact."
    )


def _range_note(dtype: np.dtype, moments: Moments, given: float | None) -> str:
    limit, top = int(np.iinfo(dtype).max), _furthest(moments)
    bits = 8 * dtype.itemsize
    if given is not None and 2 * abs(top) <= limit:
        return f"The {bits}-bit pixels reach {top} of {limit}; --scale {given:g} divides them."
    filled = f"The {bits}-bit pixels fill their range: they reach {top} of {limit}."
    return unused_bits(moments, limit) or filled


def _furthest(moments: Moments) -> int:
    return int(max(reversed(measured_ends(moments)), key=abs))


def unused_bits(moments: Moments, scale: float) -> str:
    """What is said of whole numbers that use less than half of what their type holds.

    Args:
        moments: Of the pixels.
        scale: What they are divided by.

    Returns:
        A sentence; nothing of bytes, floats, and pixels that are divided by another value than the
        largest of their type.
    """
    dtype = np.dtype(moments.dtype)
    if dtype.kind == "f" or scale != np.iinfo(dtype).max:
        return ""
    return unused_bits_of(_furthest(moments), dtype)
