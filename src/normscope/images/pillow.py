"""Images by Pillow: every format and mode that nothing else here reads."""

from __future__ import annotations

import io
import logging
import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from normscope.errors import NormscopeError
from normscope.images.pixels import TOO_LARGE, Pixels, UnreadableImage, check_size, split_alpha
from normscope.quiet import without_warnings
from normscope.wording import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

BITS_PER_SAMPLE, GDAL_METADATA = 258, 42112
"""Tags of TIFF (TIFF 6.0, 1992, section 8) and of GDAL, with scales of bands."""

SUBFILE, REDUCED, MASK = 254, 1, 4
"""What a page of a TIFF is beside the first image (TIFF 6.0, section 8)."""

AVIF = {b"avif", b"avis"}
FIRST_FRAME = "with several frames: the first counts"
WITH_ALPHA = {"LA", "La", "PA", "RGBA", "RGBa"}

# Pillow reports through logging what it cannot read of a file that tifffile then reads.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def decode_by_pillow(data: bytes) -> Pixels:
    """Decode the first frame of an image.

    Args:
        data: The file's bytes.

    Returns:
        One image.

    Raises:
        NormscopeError: If the format needs a library that is not installed.
        UnreadableImage: If the data is no image, is truncated or too large.
    """
    if data[4:8] == b"ftyp" and data[8:12] not in AVIF:
        _open_heic()
    try:
        with _silently_opened(data) as image:
            found = pixels_of_pillow(image)
            if getattr(image, "is_animated", False):
                found = replace(found, noticed=(*found.noticed, FIRST_FRAME))
            return found
    except Image.UnidentifiedImageError:
        raise UnreadableImage("not an image in a known format") from None
    except Image.DecompressionBombError as error:
        # The size is in what Pillow says alone.
        raise UnreadableImage(f"{re.findall(r'[0-9]+', str(error))[0]} {TOO_LARGE}") from None
    except (OSError, SyntaxError, ValueError, EOFError, RuntimeError, KeyError) as error:
        raise UnreadableImage(first_line(error)) from None


def is_tiff_of_bytes(data: bytes) -> bool:
    """Whether Pillow shows a TIFF with the values that it holds; of deeper ones it keeps 8 bits.

    Args:
        data: The file's bytes.

    Returns:
        False where its channels have more than 8 bits, are no whole numbers, are too many, or are
        to be scaled.
    """
    try:
        with _silently_opened(data) as image:
            tags = image.tag_v2  # pyright: ignore[reportAttributeAccessIssue]
            bits, said = tags.get(BITS_PER_SAMPLE, (1,)), str(tags.get(GDAL_METADATA, ""))
    except Exception:  # noqa: BLE001 - whatever it is, tifffile reads it or says why not
        return False
    scaled = 'role="scale"' in said or 'role="offset"' in said
    return max(bits) <= 8 and image.mode[:1] not in {"I", "F"} and not scaled


def has_several_pages(data: bytes) -> bool | None:
    """Whether a TIFF has a second page like its first, and no smaller copy or mask of it.

    Args:
        data: The file's bytes, of which Pillow shows the first page.

    Returns:
        None where Pillow cannot show the second page.
    """
    with _silently_opened(data) as image:
        first = image.size, image.mode
        try:
            image.seek(1)
            kind = image.tag_v2.get(SUBFILE, 0)  # pyright: ignore[reportAttributeAccessIssue]
            return (image.size, image.mode) == first and not kind & (REDUCED | MASK)
        except EOFError:
            return False
        except Exception:  # noqa: BLE001 - a file may be wrong in any way
            return None


@contextmanager
def _silently_opened(data: bytes) -> Iterator[Image.Image]:
    # Warnings are of odd metadata, which changes no pixel, and of sizes that are allowed here.
    with without_warnings(), Image.open(io.BytesIO(data)) as image:
        yield image


def _open_heic() -> None:
    """Teach Pillow to open HEIC.

    Raises:
        NormscopeError: If pillow-heif is not installed.
    """
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise NormscopeError(
            "HEIC images must be read by pillow-heif, got it not installed. "
            "Install it by pip install 'normscope[heic]'."
        ) from None
    register_heif_opener()


def _from_pillow(image) -> Pixels:
    if image.mode in WITH_ALPHA or "transparency" in image.info:
        grey = image.mode in {"1", "L", "LA", "La"}
        image = image.convert("LA" if grey else "RGBA")
        return split_alpha(np.asarray(image).transpose(2, 0, 1))
    if image.mode[:1] in {"I", "F"}:
        return Pixels(_deep(image))
    if image.mode not in {"L", "RGB"}:
        image = image.convert("L" if image.mode == "1" else "RGB")
    pixels = np.asarray(image)
    return Pixels(pixels[None, None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)[None])


def _deep(image) -> np.ndarray:
    pixels = np.asarray(image)
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)[None, None]


def pixels_of_pillow(image) -> Pixels:
    """The pixels of an open Pillow image, by the same rules as ``decode``.

    Args:
        image: A ``PIL.Image.Image``.

    Returns:
        One image.
    """
    check_size(image.height, image.width)
    return _from_pillow(image)
