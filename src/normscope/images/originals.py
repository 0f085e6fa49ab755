"""Images as they lie in a folder or archive, encoded, with labels where there are any."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from normscope.errors import NormscopeError
from normscope.images.decode import NOT_8_BITS, decode_8_bits, decode_single
from normscope.images.decoded import Skipped
from normscope.images.encoded import EncodedImage
from normscope.images.finding import every_image
from normscope.images.formats import ARCHIVES
from normscope.images.listing import archive_named, list_images
from normscope.images.pixels import UnreadableImage
from normscope.images.tree import SPLIT_FOLDERS, split_of_path
from normscope.images.urls import check_local
from normscope.wording import counted

if TYPE_CHECKING:
    from normscope.images.band_stack import BandStack
    from normscope.images.pixels import Pixels

LOOKED_AT = 5
"""Images that tell which type of pixels a folder has: few, for large ones take long."""

ONE_BY_ONE = "Save each image as a file of its own, such as .png or .tif, in a folder."
"""What to do with stacks, volumes and frames, which statistics and detections read as they are."""

SEVERAL = re.compile(r"^\d+ images in one file|^a TIFF of several pages")

TESTED = ("test", "val")
"""The splits that hold labelled images to report on."""


@dataclass(frozen=True)
class Originals:
    """The images of a folder or archive, unread.

    Attributes:
        name: The folder as the user named it.
        images: At least one.
        classes: Their names in the order of the labels, or None where the images have none.
    """

    name: str
    images: list[EncodedImage]
    classes: tuple[str, ...] | None


def find_originals(path: str | Path) -> Originals:
    """List the images of a folder, ``.tar`` or ``.zip`` archive.

    With ``val/`` or ``test/`` in it, these images are taken and their folders are the classes.
    Otherwise every image below it is, and none has a label.

    Args:
        path: The folder or archive.

    Returns:
        What it holds, in the order of the names.

    Raises:
        NormscopeError: If it is neither, or holds no image.
    """
    folder = Path(path)
    if not folder.is_dir() and not (folder.is_file() and folder.suffix.lower() in ARCHIVES):
        check_local(folder, "--images")
        if not folder.exists():
            met, advice = "nothing there", "Check the path."
        else:
            met, advice = "a file of another kind", ONE_BY_ONE
        raise NormscopeError(
            f"--images must name a folder of images or a .tar or .zip of one, got {folder}: {met}. "
            f"{advice}"
        )
    if _has_tested_split(folder):
        listing = list_images(folder, train=False)
        return Originals(str(folder), _single(listing.splits["test"]), listing.classes)
    images = list(every_image(folder))
    if not images:
        raise NormscopeError(
            f"{folder} must hold at least one image (such as .jpg, .png or .tif), got none. "
            "Choose another folder."
        )
    return Originals(str(folder), images, None)


def _single(images: list[EncodedImage | BandStack]) -> list[EncodedImage]:
    """Images of one file each, as they are where no bands were asked for."""
    return [image for image in images if isinstance(image, EncodedImage)]


def some_pixels(originals: Originals, count: int) -> list[np.ndarray]:
    """Decode a few images, spread over the whole folder.

    Args:
        originals: What the folder holds.
        count: How many at most.

    Returns:
        uint8, each of shape ``(C, H, W)``; those that cannot be read are left out.

    Raises:
        NormscopeError: If none of them can be read.
    """
    total = len(originals.images)
    chosen = np.unique(np.linspace(0, total - 1, min(count, total)).astype(int))
    decoded, skipped = [], []
    for image in (originals.images[i] for i in chosen):
        try:
            decoded.append(decode_8_bits(image.read()).values[0])
        except UnreadableImage as error:
            skipped.append(Skipped(Path(image.path), str(error)))
    if not decoded:
        raise NormscopeError(none_readable(originals.name, skipped))
    return decoded


def usual_image(originals: Originals) -> Pixels:
    """An image of the type of pixels that a few, spread over the whole folder, mostly have.

    Args:
        originals: What the folder holds.

    Returns:
        The first of them; of two types that are equally frequent, one of bytes.

    Raises:
        NormscopeError: If no image of the folder can be decoded.
    """
    images, skipped = originals.images, []
    spread = set(np.linspace(0, len(images) - 1, LOOKED_AT).astype(int).tolist())
    others = set(range(len(images))) - spread
    met: list[Pixels] = []
    for place in [*sorted(spread), *sorted(others)]:
        if met and place in others:
            break
        try:
            met.append(decode_single(images[place].read()))
        except UnreadableImage as error:
            skipped.append(Skipped(Path(images[place].path), str(error)))
    if not met:
        raise NormscopeError(none_readable(originals.name, skipped))
    types = Counter(image.values.dtype for image in met)
    usual = max(types, key=lambda dtype: (types[dtype], dtype == np.uint8))
    return next(image for image in met if image.values.dtype == usual)


def none_readable(name: str, skipped: list[Skipped]) -> str:
    """What is said of a folder in which nothing can be used."""
    first = skipped[0]
    advice = "Convert them, or choose another folder."
    if SEVERAL.search(first.reason):
        advice = ONE_BY_ONE
    elif first.reason.startswith(NOT_8_BITS):
        advice = "Save them with 8 bits a channel, scaled as for the network's training."
    return (
        f"{name} must hold at least one image that can be used, got {len(skipped)} that cannot, "
        f"such as {first.path}: {first.reason}. {advice}"
    )


def with_channels(pixels: np.ndarray, channels: int, path: str) -> np.ndarray:
    """An image with the channels that a model takes.

    Args:
        pixels: Shape ``(C, ...)``.
        channels: How many the model takes.
        path: What the image is called in errors.

    Returns:
        Shape ``(channels, ...)``; a grey image has its one channel repeated.

    Raises:
        NormscopeError: If the image has more channels.
    """
    if len(pixels) not in {1, channels}:
        raise NormscopeError(
            f"the images must have {counted(channels, 'channel')} to fit the "
            f"model, got {len(pixels)} in {path}. Convert the images, or check --channels."
        )
    return np.ascontiguousarray(np.broadcast_to(pixels, (channels, *pixels.shape[1:])))


def _has_tested_split(folder: Path) -> bool:
    if folder.is_dir():
        names = [name for split in TESTED for name in SPLIT_FOLDERS[split]]
        return any((folder / n).is_dir() or archive_named(folder, n) for n in names)
    return any(split_of_path(image.name) in TESTED for image in every_image(folder))
