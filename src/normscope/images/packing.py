"""A whole source decoded into one file: pixels as they are kept, then what there is to know."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from normscope.errors import NormscopeError
from normscope.images.decode import decode_8_bits
from normscope.images.decoded import Skipped
from normscope.images.luma import luma
from normscope.images.pixels import UnreadableImage
from normscope.machine.cores import available_cores, threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from normscope.images.encoded import EncodedImage
    from normscope.images.listing import Listing
    from normscope.images.transform import ImageTransform

MAGIC = b"normscope images 1\n"
"""Ends a whole file: a file that was cut does not end so."""

AT_ONCE = 256
"""Images decoded before they are written: enough for every core, little memory."""

VALUES = 256


class _ColourMet(Exception):
    """A colour image after grey ones: all must be written again with three channels."""


@dataclass(frozen=True)
class _Decoded:
    image: EncodedImage
    pixels: np.ndarray
    histogram: np.ndarray


def pack(
    listing: Listing,
    transform: ImageTransform,
    name: str,
    file: IO[bytes],
    on_image: Callable[[int, int], None] | None = None,
) -> None:
    """Decode every image with all cores, and write pixels, labels and their statistics.

    Images that cannot be used are left out and listed. Grey images among colour ones get three
    equal channels.

    Args:
        listing: The images.
        transform: What is done to each.
        name: The source as the user named it, for errors.
        file: Open for writing and seeking; its content is replaced.
        on_image: Called with how many are done and how many there are.

    Raises:
        NormscopeError: If a class is left without images, or images differ in size.
    """
    channels = 3 if transform.channels == "rgb" else None
    try:
        _pack(listing, transform, name, file, channels, on_image)
    except _ColourMet:
        _pack(listing, transform, name, file, 3, on_image)


def read_footer(data: np.ndarray) -> dict[str, Any] | None:
    """What ``pack`` wrote behind the pixels.

    Args:
        data: The file's bytes, uint8.

    Returns:
        The footer, or None where the file is not whole.
    """
    end = len(data) - len(MAGIC)
    if end < 8 or bytes(data[end:]) != MAGIC:
        return None
    length = int.from_bytes(bytes(data[end - 8 : end]), "little")
    return json.loads(bytes(data[end - 8 - length : end - 8]))


def _pack(
    listing: Listing,
    transform: ImageTransform,
    name: str,
    file: IO[bytes],
    channels: int | None,
    on_image: Callable[[int, int], None] | None,
) -> None:
    file.seek(0)
    file.truncate()
    total = sum(len(images) for images in listing.splits.values())
    done = 0
    sizes: Counter[tuple[int, ...]] = Counter()
    skipped: list[Skipped] = []
    splits: dict[str, Any] = {}
    for split, images in listing.splits.items():
        offset, labels, digest = file.tell(), [], hashlib.sha256()
        histogram = np.zeros((3, VALUES), np.int64)
        for decoded in _decoded(images, transform, skipped):
            done += 1
            sizes[decoded.pixels.shape[1:]] += 1
            channels = channels or len(decoded.pixels)
            if len(decoded.pixels) > channels:
                raise _ColourMet
            if len(sizes) == 1:
                pixels = np.ascontiguousarray(
                    np.broadcast_to(decoded.pixels, (channels, *decoded.pixels.shape[1:]))
                )
                file.write(pixels.data)
                digest.update(pixels.data)
            labels.append(decoded.image.label)
            histogram += decoded.histogram
            if on_image:
                on_image(done + len(skipped), total)
        _check_classes(images, labels, skipped)
        splits[split] = {
            "offset": offset,
            "count": len(labels),
            "labels": labels,
            "digest": digest.hexdigest(),
            "histogram": histogram[: channels or 1].tolist(),
        }
    if len(sizes) > 1:
        met = ", ".join(f"{w} x {h} ({n} images)" for (h, w), n in sizes.most_common(3))
        raise NormscopeError(
            f"the images of {name} must share one size, got {len(sizes)}: {met}. "
            "Resize them to one size."
        )
    footer = {
        "source": name,
        "shape": [channels, *next(iter(sizes))],
        "splits": splits,
        "skipped": [[str(s.path), s.reason] for s in skipped],
    }
    text = json.dumps(footer).encode()
    file.write(text + len(text).to_bytes(8, "little") + MAGIC)


def _decoded(
    images: list[EncodedImage], transform: ImageTransform, skipped: list[Skipped]
) -> Iterator[_Decoded]:
    def decode(image: EncodedImage) -> _Decoded | str:
        return _decode(image, transform)

    # Threads that each ask for every core take turns and gain nothing; only resizing needs torch.
    single = threads(1) if transform.resize else nullcontext()
    with single, ThreadPoolExecutor(available_cores()) as pool:
        parts = [images[start : start + AT_ONCE] for start in range(0, len(images), AT_ONCE)]
        ahead = [pool.map(decode, part) for part in parts[:1]]
        for index, part in enumerate(parts):
            # The next part is decoded while this one is written.
            ahead += [pool.map(decode, some) for some in parts[index + 1 : index + 2]]
            for image, result in zip(part, ahead.pop(0), strict=True):
                if isinstance(result, str):
                    skipped.append(Skipped(Path(image.path), result))
                else:
                    yield result


def _decode(image: EncodedImage, transform: ImageTransform) -> _Decoded | str:
    from normscope.images.resizing import resized

    try:
        pixels = decode_8_bits(image.read())
        values, valid = pixels.values, pixels.valid
        values = luma(values) if transform.channels == "grey" else values
        height, width = values.shape[2:]
        if transform.crop and not transform.resize and min(height, width) < transform.crop:
            return f"{width} x {height} pixels is smaller than the crop of {transform.crop}"
        if transform.resize or transform.crop:
            values, valid = resized(values, valid, transform.resize, transform.crop)
    except UnreadableImage as error:
        return str(error)
    counts = np.stack([_counts(channel, valid) for channel in values[0]])
    return _Decoded(image, values[0], np.broadcast_to(counts, (3, VALUES)))


def _counts(channel: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    import cv2

    # Counted as float32, which holds every whole number up to 2^24.
    rows = math.ceil(2**24 / channel.shape[1])
    mask = None if valid is None else valid[0, 0].astype(np.uint8)
    counts = [
        cv2.calcHist(
            [np.ascontiguousarray(channel[i : i + rows])], [0],
            None if mask is None else mask[i : i + rows], [VALUES], [0, VALUES],
        )
        for i in range(0, len(channel), rows)
    ]  # fmt: skip
    return np.sum(counts, axis=0).astype(np.int64).reshape(-1)


def _check_classes(images: list[EncodedImage], labels: list[int], skipped: list[Skipped]) -> None:
    read = set(labels)
    for image in images:
        if image.label not in read:
            path = Path(image.path)
            reason = next(s.reason for s in skipped if s.path == path)
            raise NormscopeError(
                f"{path.parent} must hold at least one image that can be used, got none: "
                f"{path.name}: {reason}. Mend or remove the class, or change --resize and --crop."
            )
