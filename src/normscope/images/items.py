"""Images as Python hands them over: arrays, Pillow images, paths, bytes, or pairs with a label."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.errors import NormscopeError
from normscope.images.arrays import COLOUR, as_images, most_of
from normscope.images.encoded import EncodedImage
from normscope.images.encoded_shards import encoded_shards
from normscope.images.pillow import pixels_of_pillow
from normscope.images.pixels import Pixels, UnreadableImage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from normscope.images.shards import Shard

KEYS = ("image", "pixel_values", "img")
"""Of the image in an item that is a dictionary."""

ENCODED = (str, Path, bytes, bytearray, memoryview)
"""Paths of images, and the bytes of images."""

BATCH_BYTES = 2**22
"""Consecutive images of one shape are worked on together up to this size."""


def as_array(item: Any) -> np.ndarray | None:
    """The NumPy array behind a tensor or an array.

    Args:
        item: Anything.

    Returns:
        The array, sharing its memory where that can be, or None if it is neither.

    Raises:
        NormscopeError: If it is a tensor that NumPy cannot hold.
    """
    # A tensor can only be met where torch has been imported, so it need not be imported here.
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(item, torch.Tensor):
        try:
            item = item.detach().cpu()
            return (item.float() if item.dtype == torch.bfloat16 else item).numpy()
        except (TypeError, RuntimeError):  # sparse, quantized, or on the device "meta"
            raise NormscopeError(
                "a tensor must be dense and hold values that NumPy has, got "
                f"{item.layout} of {item.dtype} on {item.device}. Convert it."
            ) from None
    return item if isinstance(item, np.ndarray) else None


def pixels_of_item(item: Any) -> Pixels:
    """The pixels of one item of a dataset.

    Args:
        item: A Pillow image, an array or tensor of one image (``(H, W)``, ``(C, H, W)`` or
            ``(H, W, C)``) or of a batch (``(N, C, H, W)``), or a tuple, list or dictionary whose
            first entry, or entry ``image``, ``pixel_values`` or ``img``, is one.

    Returns:
        One image, or a batch.

    Raises:
        NormscopeError: If it is none of these.
    """
    item = _inner(item)
    array = as_array(item)
    if array is not None:
        return Pixels(_one_image(array), most=most_of(array.dtype))
    if hasattr(item, "getbands") and hasattr(item, "convert"):
        return pixels_of_pillow(item)
    raise NormscopeError(
        "an item of the source must be an image or start with one (Pillow image, array or "
        f"tensor), got {type(item).__name__}. Give a source that yields images."
    )


def shards_of_items(items: Iterable[Any]) -> Iterator[Shard]:
    """The images of any iterable, with neighbours of one kind put together.

    Args:
        items: Yields what `pixels_of_item` takes, or paths or the bytes of encoded images.

    Yields:
        Shards in the order of the items.
    """
    start = 0
    for encoded, group in groupby(items, lambda item: isinstance(_inner(item), ENCODED)):
        shards_of = _encoded if encoded else _decoded
        for shard in shards_of(group, start):
            yield shard
            start = shard.start + shard.count


def _inner(item: Any) -> Any:
    # What stands first in pairs with a label, or under a usual key.
    while True:
        if isinstance(item, tuple | list) and item:
            item = item[0]
        elif isinstance(item, dict) and (key := next((k for k in KEYS if k in item), None)):
            item = item[key]
        else:
            return item


def _encoded(items: Iterable[Any], start: int) -> Iterator[Shard]:
    images = (
        EncodedImage(str(item))
        if isinstance(item, str | Path)
        else EncodedImage(f"image {position}", data=bytes(item))
        for position, item in enumerate(map(_inner, items), start)
    )
    return encoded_shards(images, start)


def _decoded(items: Iterable[Any], start: int) -> Iterator[Shard]:
    from normscope.images.shards import ArrayShard, SkippedShard

    waiting: list[np.ndarray] = []
    for item in items:
        try:
            pixels = pixels_of_item(item)
        except UnreadableImage as error:
            if waiting:
                yield _stacked(start, waiting)
                start, waiting = start + len(waiting), []
            yield SkippedShard(start, error)
            start += 1
            continue
        plain = pixels.valid is None and pixels.most is None and not pixels.noticed
        single = len(pixels.values) == 1 and plain
        if waiting and not (single and _fits(waiting, pixels.values)):
            yield _stacked(start, waiting)
            start, waiting = start + len(waiting), []
        if single:
            waiting.append(pixels.values)
        else:
            yield ArrayShard(
                start, pixels.values, pixels.valid, None, pixels.alpha, pixels.noticed, pixels.most
            )
            start += len(pixels.values)
    if waiting:
        yield _stacked(start, waiting)


def _stacked(start: int, images: list[np.ndarray]) -> Shard:
    from normscope.images.shards import ArrayShard

    return ArrayShard(start, np.concatenate(images))


def _fits(waiting: list[np.ndarray], image: np.ndarray) -> bool:
    first = waiting[0]
    full = (len(waiting) + 1) * image.nbytes > BATCH_BYTES
    return not full and first.shape == image.shape and first.dtype == image.dtype


def _one_image(array: np.ndarray) -> np.ndarray:
    if array.ndim != 3:
        return as_images(array, "an item of the source")
    channels_last = array.shape[0] not in COLOUR and array.shape[2] in COLOUR
    return as_images(array.transpose(2, 0, 1)[None] if channels_last else array[None], "an item")
