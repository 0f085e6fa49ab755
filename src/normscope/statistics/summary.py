"""From the sums over a whole collection to its statistics."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from normscope.arguments import for_caller
from normscope.errors import NormscopeError
from normscope.images.decoded import Skipped
from normscope.images.scale import scale_of
from normscope.statistics.clipping import clip_pixels
from normscope.statistics.collection_numbers import channel_names
from normscope.statistics.collection_statistics import CollectionStatistics
from normscope.statistics.estimators import (
    batch_average,
    mean_image_std,
    mean_of_image_means,
    pixel_mean,
    pixel_std,
    root_mean_image_variance,
)
from normscope.statistics.fill_values import fill_values
from normscope.statistics.group_differences import compare_groups
from normscope.statistics.groups import FOLDER, SERIES
from normscope.statistics.kinds import Kind, common_kind
from normscope.statistics.known_values import known_values
from normscope.statistics.notes import notes_on, unit_of
from normscope.statistics.outliers import find_outliers
from normscope.statistics.percentiles import percentiles
from normscope.statistics.provenance import explain
from normscope.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.images.collection import Stream
    from normscope.statistics.clipping import Clip
    from normscope.statistics.collected import Collected, KindSums
    from normscope.statistics.group_differences import GroupComparison
    from normscope.statistics.moments import Moments
    from normscope.statistics.reading import Reading

TRUE = 1
"""The largest truth value: bytes of 0 and 1 beside those of 0 to 255 would be almost black."""

PROBABILITIES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
GREY, COLOUR = Kind(1, "uint8"), Kind(3, "uint8")

ADVICE = {
    FOLDER: "Give a source with folders in it.",
    SERIES: "Give DICOM files whose headers name their series.",
}
"""Where no image has a group."""


def summarize_collection(
    collected: Collected,
    stream: Stream,
    reading: Reading,
    scale: float | None,
    constants: Sequence[str],
    clip: Clip | None = None,
) -> CollectionStatistics:
    """The statistics that the sums of a collection determine.

    Args:
        collected: The sums over all of it; at least one image was read.
        stream: Where it came from.
        reading: How it was read.
        scale: What brings pixels to [0, 1], or None for the source's own or the type's.
        constants: Normalizations whose origin is asked for.
        clip: What to clip away, or None.

    Returns:
        The statistics.
    """
    if clip is not None:
        clip = clip.of_images(collected.windows, sum(of.images for of in collected.kinds.values()))
    kind = _kind_of(collected, reading, stream.name)
    sums = _as_one_kind(collected, kind)
    moments, images = sums.moments, sums.per_image
    _check_counted(moments)
    given = _given_scale(collected, stream, scale, sums.images)
    fills = fill_values(moments)
    said, ends = fills[0].sentence if fills else "", _ends(moments)
    divisor = scale_of(given, np.dtype(kind.dtype), ends, stream.name, said)
    mean, std = pixel_mean(moments, images, divisor), pixel_std(moments, images, divisor)
    means = {"pixel mean": mean}
    stds = {
        "pixel std": std,
        "root mean image variance": root_mean_image_variance(images, divisor),
        "mean image std": mean_image_std(images, divisor),
    }
    image_means = mean_of_image_means(images, divisor)
    sizes_differ = any(image.images * image.nn != image.n**2 for image in images)
    if sizes_differ:
        means["mean of image means"] = image_means
    settled = None if collected.batches is None else collected.batches.finish(kind)
    batch_mean = batch_std = None
    if settled is not None:
        average = f"average over batches of {reading.batch_size}"
        batch_mean, batch_std = batch_average(settled, divisor, mean, std)
        means[average], stds[average] = batch_mean, batch_std
    grey = collected.kinds[GREY].images if GREY in collected.kinds and kind == COLOUR else 0
    low, high = _clipped(moments, divisor)
    known = known_values(moments)
    own_names = _names(collected, stream, reading, sums.images, kind.channels)
    names = channel_names(kind.channels, own_names)
    return CollectionStatistics(
        name=stream.name,
        images=sums.images,
        pixels=sums.pixels,
        counted=moments.n,
        dtype=kind.dtype,
        scale=divisor,
        mean=mean,
        std=std,
        stored_mean=pixel_mean(moments, images, 1),
        stored_std=pixel_std(moments, images, 1),
        unit=unit_of(collected, sums.images),
        mean_of_image_means=image_means,
        sizes_differ=sizes_differ,
        mean_image_std=stds["mean image std"],
        root_mean_image_variance=stds["root mean image variance"],
        batch_mean=batch_mean,
        batch_std=batch_std,
        minimum=tuple(v for v in moments.minimum if v is not None),
        maximum=tuple(v for v in moments.maximum if v is not None),
        quantiles=_quantiles(moments, divisor),
        percentiles=percentiles(known),
        clip=None if clip is None else clip_pixels(known, clip, divisor),
        groups=_groups(collected, reading, kind, divisor, names, sums.images),
        outliers=find_outliers(
            collected.traits, kind, reading.outliers, float(ends[1] - ends[0]), names
        ),
        above=reading.above,
        mask=None if reading.masks is None else reading.masks.folder,
        clipped_low=low,
        clipped_high=high,
        histogram=moments.histogram,
        grey_images=grey,
        nan=collected.nan,
        skipped=tuple(Skipped(Path(path), for_caller(why)) for _, path, why in collected.skipped),
        notes=(
            *((clip.note,) if clip is not None and clip.note else ()),
            *notes_on(
                collected, stream, reading, sums.images, sums.pixels, moments, given, grey, fills
            ),
        ),
        explanations=tuple(explain(text, means, stds) for text in constants),
        names=own_names,
        whole=moments.whole,
    )


def _kind_of(collected: Collected, reading: Reading, name: str) -> Kind:
    kinds = collected.kinds
    kind = common_kind(kinds)
    if reading.channels is None and len(kinds) > 1 and set(kinds) != {GREY, COLOUR}:
        counts = Counter({str(kind): sums.images for kind, sums in kinds.items()}).most_common()
        met = ", ".join(f"{count} {name}" for name, count in sorted(counts))
        types = common_kind(kind._replace(channels=1) for kind in kinds)
        how = "Sort them by type" if types is None else "Pass --channels rgb or --channels grey"
        raise NormscopeError(
            f"the images of {name} must be of one kind, got {met}. "
            f"{how}, or take some of them with --select."
        )
    if kind is None:
        types = ", ".join(sorted({kind.dtype for kind in kinds}))
        raise NormscopeError(
            f"the pixels of {name} must be of one type, or of 8 and 16 bits, got {types}. "
            "Sort the images by type."
        )
    return kind._replace(channels=3) if reading.channels == "rgb" else kind


def _given_scale(
    collected: Collected, stream: Stream, scale: float | None, images: int
) -> float | None:
    """What pixels are surely divided by; None where their type says it."""
    given = scale if scale is not None else stream.scale
    if given is None:
        given = _most(collected, images, stream.name)
    if given is None and unit_of(collected, images) is not None:
        # The files' own unit, such as HU, is what such images are normalized in.
        given = 1.0
    return given


def _most(collected: Collected, images: int, name: str) -> float | None:
    """The largest value that the format of every image has, where their type holds more."""
    most, count = next(iter(collected.most.items()), (None, 0))
    truths = collected.most[TRUE]
    if 0 < truths < images:
        raise NormscopeError(
            f"the images of {name} must all be truth values or none, got {truths} of {images}. "
            "Pass --scale, or sort them."
        )
    return most if count == images else None


def _names(
    collected: Collected, stream: Stream, reading: Reading, images: int, channels: int
) -> tuple[str, ...]:
    """The channels' names, where the source or every file says the same ones."""
    names, count = next(iter(collected.names.items()), (stream.channel_names, images))
    kept = reading.channels is None and (len(names), count) == (channels, images)
    return names if kept else ()


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
                f"got none in channel {channel}. Check --nodata, --above, --mask, the alpha "
                "channel and NaN."
            )


def _groups(
    collected: Collected,
    reading: Reading,
    kind: Kind,
    scale: float,
    names: tuple[str, ...],
    images: int,
) -> GroupComparison | None:
    sums, by = collected.groups, reading.groups
    if sums is None or by is None:
        return None
    if not sums.groups:
        raise NormscopeError(
            f"--by must find the group of at least one image, got none by {by.by} for "
            f"{counted(sums.outside, 'image')}. "
            + ADVICE.get(by.by, "Write paths relative to the source into the table's first column.")
        )
    unit = unit_of(collected, images) if scale == 1 else None
    return compare_groups(by.by, sums.of_kind(kind), sums.outside, scale, names, unit)


def _ends(moments: Moments) -> tuple[float, float]:
    """The least and the greatest pixel of all channels."""
    low, high = ([v for v in ends if v is not None] for ends in (moments.minimum, moments.maximum))
    return min(low), max(high)


def _quantiles(moments: Moments, scale: float) -> dict[float, tuple[float, ...]]:
    values, histogram = moments.finest
    below = histogram.cumsum(axis=1)
    return {
        p: tuple(
            float(values[np.searchsorted(counts, p * n)] / scale)
            for counts, n in zip(below, moments.n, strict=True)
        )
        for p in PROBABILITIES
    }


def _clipped(moments: Moments, scale: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    dtype = np.dtype(moments.dtype)
    values, histogram = moments.finest
    floor = np.iinfo(dtype).min if dtype.kind == "i" else 0
    # NaN names no pixel: bins beyond infinity stay empty.
    low, high = values <= floor, values >= scale
    return tuple(
        tuple(float(k[ends].sum() / n) for k, n in zip(histogram, moments.n, strict=True))
        for ends in (low, high)
    )  # type: ignore[return-value]
