"""The network and the images that a detection is asked about, or why they will not do."""

from __future__ import annotations

import warnings
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from normscope.arguments import for_caller
from normscope.errors import NormscopeError
from normscope.images.frames import COLOURS
from normscope.images.items import as_array
from normscope.images.pixels import UnreadableImage
from normscope.images.scale import white_of
from normscope.images.stream import open_stream
from normscope.images.windows import Windows
from normscope.models.building import build_model
from normscope.models.files.naming import ONNX
from normscope.models.files.opening import check_layers
from normscope.models.options import ModelOptions
from normscope.models.trained import OUTPUTS, check_weights_given
from normscope.quiet import without_warnings
from normscope.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from normscope.images.shards import Shard
    from normscope.statistics.reading import Reading


IMAGES_PER_CONSTANT = 4
"""Fewer cannot show how much images differ in as many directions as there are constants."""


def build_network(name: str, weights: str | Path | None, sample: np.ndarray) -> nn.Module:
    """The network of a name with its weights, for images of these channels.

    Args:
        name: A model's name.
        weights: A file, ``"default"``, or None for a factory of the user's that loads its own.
        sample: Images that it is to look at, shape ``(N, C, H, W)``.

    Returns:
        The network.

    Raises:
        NormscopeError: If the weights are missing or do not fit.
    """
    if name.lower().endswith(ONNX) and weights is None:
        from normscope.detection.onnx_layers import first_layers

        layers = first_layers(name, sample.shape[1], sample.shape[2:])
        if layers is not None:
            return layers
    if not name.lower().endswith(ONNX):
        check_layers(name, "detect")
    check_weights_given(name, weights)
    options = ModelOptions(weights=None if weights is None else str(weights))

    def built(channels: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            return build_model(
                name, channels=channels, classes=OUTPUTS, image_size=sample.shape[2:],
                options=options,
            )  # fmt: skip

    channels = sample.shape[1]
    try:
        return built(channels)
    except NormscopeError:
        others = (other for other in (COLOURS, 1) if other != channels)
        other = next((other for other in others if _builds(built, other)), None)
        if other is None:
            raise
        kind = "rgb" if other == COLOURS else "grey"
        advice = f"Use --channels {kind}" if channels in {1, COLOURS} else "Leave the others out"
        raise NormscopeError(
            f"images must have {counted(other, 'channel')} to fit these weights of {name}, "
            f"got {channels}. {advice}."
        ) from None


def _builds(built: Callable[[int], nn.Module], channels: int) -> bool:
    try:
        built(channels)
    except NormscopeError:
        return False
    return True


def check_images(images: np.ndarray) -> None:
    """Refuse images that cannot tell the constants.

    Args:
        images: Shape ``(N, C, H, W)``.

    Raises:
        NormscopeError: If they are too few, or a channel is constant.
    """
    channels = images.shape[1]
    needed = IMAGES_PER_CONSTANT * 2 * channels
    if len(images) < needed:
        raise NormscopeError(
            f"images must be at least {needed} to tell {2 * channels} constants (a mean and a std "
            f"for each channel), got {len(images)}. Give more images, or raise --count."
        )
    for channel in range(channels):
        values = images[:, channel]
        if values.min() == values.max():
            raise NormscopeError(
                f"images must vary in every channel, got the same value {values.flat[0]:g} for "
                f"every pixel of channel {channel}. Give images like those of the training."
            )


def sample_images(
    source: Any,
    count: int,
    reading: Reading,
    root: Path | None = None,
    scale: float | None = None,
) -> np.ndarray:
    """Read some images of a collection, as its images are read for statistics.

    They are spread evenly over a folder, an archive or an array, since these are often sorted by
    class; of an iterable, the first are taken.

    Args:
        source: As ``normscope stats`` takes it.
        count: How many images, or all if there are fewer.
        reading: Channels, resize and crop.
        root: Where named data sets are looked for first.
        scale: What pixels are divided by, or None for what the source or their type says.

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
    if reading.channels == "rgb" or {len(image) for image in images} == {1, COLOURS}:
        images = [_coloured(image) for image in images]
    shapes = sorted({image.shape for image in images})
    if len(shapes) > 1:
        raise NormscopeError(
            f"images must share one shape, got {shapes[0]} and {shapes[-1]} (channels, height, "
            "width). Use --resize and --crop as in the model's evaluation, and --channels."
        )
    return _in_unit_range(np.stack(images), scale or stream.scale)


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
                with without_warnings():
                    values = reading.prepare(pixels).values
            except UnreadableImage:
                continue
            yield from values


def _coloured(image: np.ndarray) -> np.ndarray:
    # Among colour images a grey one has three equal channels, as in every training script.
    return np.repeat(image, COLOURS, axis=0) if len(image) == 1 else image


def _in_unit_range(images: np.ndarray, scale: float | None) -> np.ndarray:
    if images.dtype == np.uint8 and scale in {None, 255.0}:
        return images
    integers = images.dtype.kind in "iu"
    low, top = float(images.min()), float(images.max())
    limit = np.iinfo(images.dtype).max if integers else 1
    white = scale or (white_of(top, limit) if integers and 2 * top <= limit else limit)
    if low < 0 or top > white:
        raise NormscopeError(
            f"pixels must lie in [0, 1] once they are divided by {white:.10g}, got {images.dtype} "
            f"from {low:.5g} to {top:.5g}. Bring the images to [0, 1] as the training did "
            "(--scale)."
        )
    if scale is None and white < limit:
        said = (
            f"The {images.dtype} pixels reach only {top:g} of {limit}: they are divided by "
            f"{white:g}, and the constants are of pixels so divided. If the training divided by "
            "another number, pass --scale."
        )
        warnings.warn(for_caller(said), RuntimeWarning, stacklevel=3)
    values = images / white
    return values.astype(np.float64)
