"""Some images of a collection, spread evenly over it, in memory."""

from __future__ import annotations

import warnings
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.errors import NormscopeError
from normscope.images.items import as_array
from normscope.images.pixels import UnreadableImage
from normscope.images.stream import open_stream
from normscope.images.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from normscope.images.shards import Shard
    from normscope.statistics.reading import Reading

COLOUR_CHANNELS = 3


def sample_images(
    source: Any, count: int, reading: Reading, root: Path | None = None
) -> np.ndarray:
    """Read some images of a collection, as its images are read for statistics.

    They are spread evenly over a folder, an archive or an array, since these are often sorted by
    class; of an iterable, the first are taken.

    Args:
        source: As ``normscope stats`` takes it.
        count: How many images, or all if there are fewer.
        reading: Channels, resize and crop.
        root: Where named data sets are looked for first.

    Returns:
        uint8, or float64 in [0, 1], shape ``(N, C, H, W)``; images that cannot be read are left
        out, and grey ones among colour ones have three equal channels.

    Raises:
        NormscopeError: If there are none, their shapes differ, or floats leave [0, 1].
    """
    stream = open_stream(source, root=root)
    shards = stream.shards()
    if isinstance(source, str | Path | list | tuple) or as_array(source) is not None:
        shards = _spread(list(shards), count)
    images = list(islice(_images(shards, reading), count))
    if not images:
        raise NormscopeError(
            f"{stream.name} must hold images, got none that can be read. Check the path and "
            "--channels."
        )
    if reading.channels == "rgb" or {len(image) for image in images} == {1, COLOUR_CHANNELS}:
        images = [_coloured(image) for image in images]
    shapes = sorted({image.shape for image in images})
    if len(shapes) > 1:
        raise NormscopeError(
            f"images must share one shape, got {shapes[0]} and {shapes[-1]} (channels, height, "
            "width). Use --resize and --crop as in the model's evaluation, and --channels."
        )
    return _in_unit_range(np.stack(images), stream.scale)


def _spread(shards: list[Shard], count: int) -> Iterator[Shard]:
    total = sum(shard.count for shard in shards)
    picked = np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(np.int64))
    start = 0
    for shard in shards:
        rows = picked[(picked >= start) & (picked < start + shard.count)] - start
        start += shard.count
        if len(rows):
            yield shard.only(rows)


def _images(shards: Iterator[Shard], reading: Reading) -> Iterator[np.ndarray]:
    for shard in shards:
        for _, _, item in shard.images():
            if isinstance(item, UnreadableImage):
                continue
            try:
                pixels = item.whole() if isinstance(item, Windows) else item
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    values = reading.prepare(pixels).values
            except UnreadableImage:
                continue
            yield from values


def _coloured(image: np.ndarray) -> np.ndarray:
    # Among colour images a grey one has three equal channels, as in every training script.
    return np.repeat(image, COLOUR_CHANNELS, axis=0) if len(image) == 1 else image


def _in_unit_range(images: np.ndarray, scale: float | None) -> np.ndarray:
    if images.dtype == np.uint8 and scale in {None, 255.0}:
        return images
    integers = images.dtype.kind in "iu"
    values = images / (scale or (np.iinfo(images.dtype).max if integers else 1.0))
    if values.min() < 0 or values.max() > 1:
        raise NormscopeError(
            f"pixels that are floats must lie in [0, 1], got {values.min():.4g} to "
            f"{values.max():.4g}. Divide them by their largest possible value."
        )
    return values.astype(np.float64)
