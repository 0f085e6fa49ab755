"""A folder or archive with one sub-folder of images per class, decoded once."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.images.cache import packed
from normscope.images.decoded import DecodedSource, LabelledImages, Skipped, Stored
from normscope.images.formats import passed_over
from normscope.images.listing import list_images
from normscope.images.packing import read_footer
from normscope.images.pixels import noticed_of
from normscope.images.scale import scale_of
from normscope.images.transform import UNCHANGED, ImageTransform

if TYPE_CHECKING:
    from collections.abc import Callable


def open_folder(
    path: Path,
    transform: ImageTransform = UNCHANGED,
    *,
    train: bool = True,
    on_image: Callable[[int, int], None] | None = None,
) -> DecodedSource:
    """Decode ``train/``, and ``val/`` or ``test/`` or both, each with one folder per class.

    With ``train/`` and ``val/`` alone, ``val/`` is the test split; with class folders alone, a
    fifth of each class is. An image that cannot be read is skipped and listed. The pixels are kept
    in the user's cache, and mapped from there.

    Args:
        path: The folder, ``.tar`` or ``.zip`` archive that holds the splits.
        transform: What is done to each image.
        train: Whether there must be images to train on; without, the test split alone is decoded.
        on_image: Called with how many images are decoded and how many there are.

    Returns:
        The source; its validation split is None unless the folder has all three.
    """
    listing = list_images(path, train, transform.choice)
    data, file = packed(listing, transform, str(path), on_image)
    footer = read_footer(data)
    assert footer is not None
    splits = {name: _split(data, file, footer, name) for name in footer["splits"]}
    dtype = np.dtype(footer["dtype"])
    none = LabelledImages(np.empty((0, *footer["shape"]), dtype), np.empty(0, np.int64))
    given = footer["most"] if transform.scale is None else transform.scale
    return DecodedSource(
        name=str(path),
        classes=listing.classes,
        scale=scale_of(given, dtype, footer["ends"], str(path), counts=True),
        train=splits.get("train", none),
        validation=splits.get("validation"),
        test=splits["test"],
        passed_over=passed_over(listing.passed),
        held_out=listing.held_out,
        noticed=tuple(noticed_of(footer.get("noticed", {}))),
        skipped=tuple(Skipped(Path(where), reason) for where, reason in footer["skipped"]),
    )


def _split(
    data: np.ndarray, file: Path | None, footer: dict[str, Any], name: str
) -> LabelledImages:
    fields = footer["splits"][name]
    shape = (fields["count"], *footer["shape"])
    start = fields["offset"]
    dtype = np.dtype(footer["dtype"])
    pixels = data[start : start + math.prod(shape) * dtype.itemsize].view(dtype).reshape(shape)
    counts = fields["histogram"]
    histogram = None if counts is None else np.asarray(counts, np.int64)
    stored = Stored(file, start, fields["digest"], histogram)
    return LabelledImages(pixels, np.asarray(fields["labels"], np.int64), stored)
