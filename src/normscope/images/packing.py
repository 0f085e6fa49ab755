"""A whole source decoded into one file: pixels as they are kept, then what there is to know."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from normscope.errors import NormscopeError
from normscope.images.band_stack import BandStack
from normscope.images.block_sums import SummedWriter, undamaged
from normscope.images.decode import decode_for_networks
from normscope.images.decoded import Skipped
from normscope.images.frames import COLOURS, Frame, Met, frames_of
from normscope.images.pixels import Pixels, UnreadableImage
from normscope.machine.cores import available_cores, threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from normscope.images.encoded import EncodedImage
    from normscope.images.listing import Listing
    from normscope.images.transform import ImageTransform

MAGIC = b"normscope images 4\n"
"""Ends a whole file: a file that was cut does not end so."""

NUMBER_BYTES = 8
"""Each of the two numbers between the footer and the end: its checksum and its length."""

AHEAD, AHEAD_BYTES = 512, 2**29
"""Images decoded before they are written: enough for every core, little memory."""

LARGEST_PIXEL_BYTES = 8
"""Splits start at multiples of it, so that their pixels can be mapped whatever their type."""


class _ColourMet(Exception):
    """A colour image after grey ones: all must be written again with three channels."""


def pack(
    listing: Listing,
    transform: ImageTransform,
    name: str,
    file: IO[bytes],
    on_image: Callable[[int, int], None] | None = None,
) -> None:
    """Decode every image with all cores, and write pixels, labels and their statistics.

    Images that cannot be used are left out and listed. Grey images among colour ones get three
    equal channels. Each frame, slice or row of a file that holds several is an image of its label.

    Args:
        listing: The images.
        transform: What is done to each.
        name: The source as the user named it, for errors.
        file: Open for writing and seeking; its content is replaced.
        on_image: Called with how many are done and how many there are.

    Raises:
        NormscopeError: If a class is left without images, or images differ in size, type or
            number of channels.
    """
    channels = COLOURS if transform.channels == "rgb" else None
    try:
        _pack(listing, transform, name, file, channels, on_image)
    except _ColourMet:
        _pack(listing, transform, name, file, COLOURS, on_image)


def read_footer(data: np.ndarray) -> dict[str, Any] | None:
    """What ``pack`` wrote behind the pixels.

    Args:
        data: The file's bytes, uint8.

    Returns:
        The footer, or None where the file or its footer is not whole.
    """
    end = len(data) - len(MAGIC) - 2 * NUMBER_BYTES
    if end < 0 or bytes(data[end + 2 * NUMBER_BYTES :]) != MAGIC:
        return None
    numbers = bytes(data[end : -len(MAGIC)])
    checksum, length = (
        int.from_bytes(number, "little")
        for number in (numbers[:NUMBER_BYTES], numbers[NUMBER_BYTES:])
    )
    text = bytes(data[max(0, end - length) : end])
    return json.loads(text) if (zlib.crc32(text), len(text)) == (checksum, length) else None


def is_whole(data: np.ndarray) -> bool:
    """Whether a file holds what ``pack`` wrote, to the last bit.

    Args:
        data: The file's bytes, uint8.

    Returns:
        Whether every checksum fits.
    """
    footer = read_footer(data)
    return footer is not None and undamaged(data[: footer["pixels_end"]], footer["block_sums"])


def _pack(
    listing: Listing,
    transform: ImageTransform,
    name: str,
    file: IO[bytes],
    channels: int | None,
    on_image: Callable[[int, int], None] | None,
) -> None:
    pixels_file = SummedWriter(file)
    total = sum(len(images) for images in listing.splits.values())
    done = 0
    met = Met()
    skipped: list[Skipped] = []
    splits: dict[str, Any] = {}
    for split, images in listing.splits.items():
        pixels_file.write(bytes(-pixels_file.tell() % LARGEST_PIXEL_BYTES))
        offset, labels, digest = pixels_file.tell(), [], hashlib.sha256()
        histogram = None
        for image, frames in _prepared(images, transform, skipped):
            done += 1
            for frame in frames:
                channels = channels or len(frame.pixels)
                if (channels, len(frame.pixels)) == (1, COLOURS):
                    raise _ColourMet
                if met.fits(frame, channels):
                    pixels = np.ascontiguousarray(
                        np.broadcast_to(frame.pixels, (channels, *frame.pixels.shape[1:]))
                    )
                    pixels_file.write(pixels.data)
                    digest.update(pixels.data)
                    histogram = frame.counted(histogram, channels)
                labels.append(image.label)
            if on_image:
                on_image(done + len(skipped), total)
        drawn = split if listing.held_out and len(listing.splits) > 1 else None
        _check_classes(images, labels, skipped, drawn)
        splits[split] = {
            "offset": offset,
            "count": len(labels),
            "labels": labels,
            "digest": digest.hexdigest(),
            "histogram": None if histogram is None else histogram.tolist(),
        }
    met.check(name)
    footer = {
        "source": name,
        "shape": [channels, *met.size],
        "dtype": met.dtype,
        "ends": met.ends,
        "most": next(iter(met.most)) if len(met.most) == 1 else None,
        "splits": splits,
        "pixels_end": pixels_file.tell(),
        "block_sums": pixels_file.sums,
        "noticed": met.noticed,
        "skipped": [one.texts for one in skipped],
    }
    text = json.dumps(footer).encode()
    numbers = (n.to_bytes(NUMBER_BYTES, "little") for n in (zlib.crc32(text), len(text)))
    file.write(b"".join((text, *numbers, MAGIC)))


def _prepared(
    images: list[EncodedImage | BandStack], transform: ImageTransform, skipped: list[Skipped]
) -> Iterator[tuple[EncodedImage | BandStack, list[Frame]]]:
    def prepare(image: EncodedImage | BandStack) -> list[Frame] | str:
        try:
            if isinstance(image, BandStack):
                return frames_of(image.decoded(_one_band), transform)
            return frames_of(decode_for_networks(image.read()), transform)
        except UnreadableImage as error:
            return str(error)

    # Threads that each ask for every core take turns and gain nothing; only resizing needs torch.
    single = threads(1) if transform.resize else nullcontext()
    cores = available_cores()
    waiting: deque[tuple[EncodedImage | BandStack, Future[list[Frame] | str]]] = deque()
    ahead, most = iter(images), 2 * cores
    with single, ThreadPoolExecutor(cores) as pool:
        try:
            while True:
                for image in islice(ahead, most - len(waiting)):
                    waiting.append((image, pool.submit(prepare, image)))
                if not waiting:
                    return
                image, future = waiting.popleft()
                result = future.result()
                if isinstance(result, str):
                    skipped.append(Skipped(Path(image.path), result))
                    continue
                yield image, result
                # As many decoded images wait as keep every core at work, but volumes are large.
                bytes_ = sum(frame.pixels.nbytes for frame in result)
                most = max(cores, min(AHEAD, AHEAD_BYTES // max(1, bytes_)))
        finally:
            # After Ctrl-C nobody waits for images that are still to be decoded.
            pool.shutdown(cancel_futures=True)


def _one_band(image: EncodedImage) -> Pixels:
    return decode_for_networks(image.read())


def _check_classes(
    images: list[EncodedImage | BandStack],
    labels: list[int],
    skipped: list[Skipped],
    drawn: str | None,
) -> None:
    """Refuse a class without images, in a split that holds a folder for each or was drawn."""
    read = set(labels)
    for image in images:
        if image.label not in read:
            path = Path(image.path)
            reason = next(s.reason for s in skipped if s.path == path)
            if drawn is None:
                raise NormscopeError(
                    f"{path.parent} must hold at least one image that can be used, got none: "
                    f"{path.name}: {reason}. Mend or remove the class, or change --resize and "
                    "--crop."
                )
            count = sum(other.label == image.label for other in images)
            first = f"{', the first' if count > 1 else ':'} {path.name}: {reason}"
            raise NormscopeError(
                f"{path.parent} must hold at least one image that can be used among those drawn "
                f"for the {drawn} split, got {count} that cannot{first}. Mend or remove "
                f"{'these' if count > 1 else path.name}, or change --resize and --crop."
            )
