"""From the sums over a whole collection to its statistics."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from normscope.errors import NormscopeError
from normscope.images.decoded import Skipped
from normscope.images.formats import passed_over
from normscope.images.pixels import ALPHA_KEPT, ALPHA_MASKED
from normscope.statistics.collection_statistics import CollectionStatistics
from normscope.statistics.estimators import (
    batch_average,
    mean_image_std,
    pixel_mean,
    pixel_std,
    root_mean_image_variance,
)
from normscope.statistics.histogram import bin_values
from normscope.statistics.kinds import Kind, common_kind
from normscope.statistics.provenance import explain
from normscope.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.images.collection import Stream
    from normscope.statistics.collected import Collected, KindSums
    from normscope.statistics.moments import Moments
    from normscope.statistics.reading import Reading

PROBABILITIES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
GREY, COLOUR = Kind(1, "uint8"), Kind(3, "uint8")


def summarize_collection(
    collected: Collected,
    stream: Stream,
    reading: Reading,
    scale: float | None,
    constants: Sequence[str],
) -> CollectionStatistics:
    """The statistics that the sums of a collection determine.

    Args:
        collected: The sums over all of it; at least one image was read.
        stream: Where it came from.
        reading: How it was read.
        scale: What brings pixels to [0, 1], or None for the source's own or the type's.
        constants: Normalizations whose origin is asked for.

    Returns:
        The statistics.
    """
    kind = _kind_of(collected, reading, stream.name)
    sums = _as_one_kind(collected, kind)
    moments, images = sums.moments, sums.per_image
    _check_counted(moments)
    dtype = np.dtype(kind.dtype)
    given = scale if scale is not None else stream.scale
    divisor = _scale(given, dtype, moments, stream.name)
    means = {"pixel mean": pixel_mean(moments, images, divisor)}
    stds = {
        "pixel std": pixel_std(moments, images, divisor),
        "root mean image variance": root_mean_image_variance(images, divisor),
        "mean image std": mean_image_std(images, divisor),
    }
    settled = None if collected.batches is None else collected.batches.finish(kind)
    batch_mean = batch_std = None
    if settled is not None:
        batch_mean, batch_std = batch_average(
            settled, divisor, means["pixel mean"], stds["pixel std"]
        )
        means[f"average over batches of {reading.batch_size}"] = batch_mean
        stds[f"average over batches of {reading.batch_size}"] = batch_std
    grey = collected.kinds[GREY].images if GREY in collected.kinds and kind == COLOUR else 0
    low, high = _clipped(moments, divisor)
    return CollectionStatistics(
        name=stream.name,
        images=sums.images,
        pixels=sums.pixels,
        counted=moments.n,
        dtype=kind.dtype,
        scale=divisor,
        mean=means["pixel mean"],
        std=stds["pixel std"],
        mean_image_std=stds["mean image std"],
        root_mean_image_variance=stds["root mean image variance"],
        batch_mean=batch_mean,
        batch_std=batch_std,
        minimum=tuple(v for v in moments.minimum if v is not None),
        maximum=tuple(v for v in moments.maximum if v is not None),
        quantiles=_quantiles(moments, divisor),
        clipped_low=low,
        clipped_high=high,
        histogram=moments.histogram,
        grey_images=grey,
        skipped=tuple(Skipped(Path(path), why) for _, path, why in collected.skipped),
        notes=(
            *stream.notes,
            *filter(None, [passed_over(stream.passed)]),
            *_noticed(collected, reading),
            *_notes(stream, sums.images, moments, given, grey),
        ),
        explanations=tuple(explain(text, means, stds) for text in constants),
        names_given=stream.channel_names if reading.channels is None else (),
    )


def _kind_of(collected: Collected, reading: Reading, name: str) -> Kind:
    kinds = collected.kinds
    kind = common_kind(kinds)
    if reading.channels is None and len(kinds) > 1 and set(kinds) != {GREY, COLOUR}:
        counts = Counter({str(kind): sums.images for kind, sums in kinds.items()}).most_common()
        met = ", ".join(f"{count} {name}" for name, count in sorted(counts))
        raise NormscopeError(
            f"the images of {name} must be of one kind, got {met}. "
            "Pass --channels rgb or --channels grey, or sort them."
        )
    if kind is None:
        types = ", ".join(sorted({kind.dtype for kind in kinds}))
        raise NormscopeError(
            f"the pixels of {name} must be of one type, or of 8 and 16 bits, got {types}. "
            "Sort the images by type."
        )
    return kind._replace(channels=3) if reading.channels == "rgb" else kind


def _as_one_kind(collected: Collected, kind: Kind) -> KindSums:
    parts = [
        sums._replace(
            moments=kind.moments_from(other, sums.moments),
            per_image=kind.per_image_from(other, sums.per_image),
        )
        for other, sums in collected.kinds.items()
    ]
    total = parts[0]
    for part in parts[1:]:
        total = total.merge(part)
    return total


def _check_counted(moments: Moments) -> None:
    for channel, n in enumerate(moments.n):
        if n == 0:
            raise NormscopeError(
                "every channel must have at least one pixel that counts, "
                f"got none in channel {channel}. Check --nodata and the alpha channel."
            )


def _scale(given: float | None, dtype: np.dtype, moments: Moments, name: str) -> float:
    if given is not None:
        return float(given)
    if dtype.kind != "f":
        return float(np.iinfo(dtype).max)
    low = min(v for v in moments.minimum if v is not None)
    high = max(v for v in moments.maximum if v is not None)
    if low < 0 or high > 1:
        raise NormscopeError(
            f"float pixels must lie in [0, 1] unless --scale is given, got {low:.6g} to "
            f"{high:.6g} in {name}. Pass --scale 1 to keep them as they are, or their maximum."
        )
    return 1.0


def _quantiles(moments: Moments, scale: float) -> dict[float, tuple[float, ...]]:
    values = bin_values(np.dtype(moments.dtype))
    below = moments.histogram.cumsum(axis=1)
    return {
        p: tuple(
            float(values[np.searchsorted(counts, p * n)] / scale)
            for counts, n in zip(below, moments.n, strict=True)
        )
        for p in PROBABILITIES
    }


def _clipped(moments: Moments, scale: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    dtype = np.dtype(moments.dtype)
    values = bin_values(dtype)
    floor = np.iinfo(dtype).min if dtype.kind == "i" else 0
    # NaN names no pixel: bins beyond infinity stay empty.
    low, high = values <= floor, values >= scale
    return tuple(
        tuple(float(k[ends].sum() / n) for k, n in zip(moments.histogram, moments.n, strict=True))
        for ends in (low, high)
    )  # type: ignore[return-value]


def _notes(
    stream: Stream, images: int, moments: Moments, given: float | None, grey: int
) -> tuple[str, ...]:
    notes = []
    dtype = np.dtype(moments.dtype)
    if dtype.kind in "iu" and dtype.itemsize > 1:
        notes.append(_range_note(dtype, moments, given))
    if grey:
        notes.append(f"{grey} grey images count as colour with three equal channels.")
    if dtype.kind == "f" or dtype.itemsize > 2:
        notes.append("Quantiles are known to within 0.8 %: wide pixels share bins.")
    notes.append(_sample_note(images, stream.complete))
    return tuple(notes)


def _noticed(collected: Collected, reading: Reading) -> list[str]:
    return [
        f"{counted(count, 'image')} {what}."
        for what, count in sorted(collected.noticed.items())
        if reading.alpha is None or what not in {ALPHA_MASKED, ALPHA_KEPT}
    ]


def _sample_note(images: int, complete: bool) -> str:
    if images < 2:
        return "One image says nothing of how images differ, so there are no standard errors."
    if complete:
        return (
            f"These {images} images are the whole split, whose mean and std are exact; the "
            "standard errors hold where they stand for more images like them."
        )
    return (
        f"The standard errors take these {images} images for a sample of more; if they are the "
        "whole collection, its mean and std are exact."
    )


def _range_note(dtype: np.dtype, moments: Moments, given: float | None) -> str:
    limit = int(np.iinfo(dtype).max)
    top = max(v for v in moments.maximum if v is not None)
    bits = 8 * dtype.itemsize
    if 2 * top > limit:
        return f"The {bits}-bit pixels fill their range: they reach {top} of {limit}."
    if given is not None:
        return f"The {bits}-bit pixels reach {top} of {limit}; --scale {given:g} divides them."
    return (
        f"The {bits}-bit pixels reach only {top} of {limit}: divided by {limit} the images are "
        f"almost black. Pass --scale with what your model divides by, such as {max(top, 1)}."
    )
