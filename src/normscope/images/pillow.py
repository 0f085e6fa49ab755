"""Images by Pillow: every format and mode that nothing else here reads."""

from __future__ import annotations

import io
import logging
import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from normscope.errors import MissingExtra
from normscope.images.pixels import TOO_LARGE, Pixels, UnreadableImage, check_size, split_alpha
from normscope.images.png import key_of_bytes
from normscope.quiet import without_warnings
from normscope.wording import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

BITS_PER_SAMPLE, COLOURS, SAMPLES, EXTRA_SAMPLES, SAMPLE_FORMAT = 258, 262, 277, 338, 339
"""Tags of TIFF (TIFF 6.0, 1992, sections 8, 18 and 19)."""

GDAL_METADATA = 42112
"""GDAL's tag, with scales of bands."""

CHANNELS_OF = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}
"""How many samples each kind of colours has, as PhotometricInterpretation numbers them."""

ALPHA, UNSIGNED = {(1,), (2,)}, 1
"""What ExtraSamples and SampleFormat call them."""

SUBFILE, REDUCED, MASK = 254, 1, 4
"""What a page of a TIFF is beside the first image (TIFF 6.0, section 8)."""

AVIF = {b"avif", b"avis"}
FIRST_FRAME = "with several frames: the first counts"
TURNED = "in {}, turned into RGB as Pillow does, without a colour profile"
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
            key = key_of_bytes(data)
            if key is not None:
                image.info["transparency"] = key
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
        False where its channels have more than 8 bits, are no whole numbers from 0 up, are to be
        scaled, or are other than one colour's with or without alpha, of which Pillow leaves some
        out; or where its first page is a smaller copy of another.
    """
    try:
        with _silently_opened(data) as image:
            tags: Any = image.tag_v2  # pyright: ignore[reportAttributeAccessIssue]
            bits, said = tags.get(BITS_PER_SAMPLE, (1,)), str(tags.get(GDAL_METADATA, ""))
            extra = tags.get(SAMPLES, 1) - CHANNELS_OF[tags.get(COLOURS, 1)]
            alpha = tags.get(EXTRA_SAMPLES) in ALPHA
            formats = set(tags.get(SAMPLE_FORMAT, (UNSIGNED,)))
            whole = not tags.get(SUBFILE, 0) & REDUCED
    except Exception:  # noqa: BLE001 - whatever it is, tifffile reads it or says why not
        return False
    scaled = 'role="scale"' in said or 'role="offset"' in said
    plain = max(bits) <= 8 and formats == {UNSIGNED} and image.mode[:1] not in {"I", "F"}
    return plain and whole and not scaled and (extra == 0 or (extra == 1 and alpha))


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
        MissingExtra: If pillow-heif is not installed.
    """
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise MissingExtra("pillow_heif", "HEIC images") from None
    register_heif_opener()


def as_rgb(bands: np.ndarray, mode: str) -> Pixels:
    """Colours of another kind as RGB, as a network is shown them: without a colour profile.

    Args:
        bands: Integers of shape ``(C, H, W)``; of wide ones the upper 8 bits count, of channels
            as many as the colours have.
        mode: What Pillow calls the colours.

    Returns:
        One image, uint8 with three channels.

    Raises:
        UnreadableImage: If channels are missing.
    """
    count = Image.getmodebands(mode)
    if len(bands) < count:
        raise UnreadableImage(f"{len(bands)} channels in place of the {count} of {mode}")
    bits = 8 * bands.dtype.itemsize
    bytes_ = (bands[:count].view(f"u{bands.dtype.itemsize}") >> (bits - 8)).astype(np.uint8)
    size = bands.shape[2], bands.shape[1]
    return _from_pillow(Image.frombytes(mode, size, bytes_.transpose(1, 2, 0).tobytes()))


def _from_pillow(image) -> Pixels:
    if image.mode in WITH_ALPHA or "transparency" in image.info:
        grey = image.mode in {"1", "L", "LA", "La"}
        image = image.convert("LA" if grey else "RGBA")
        return split_alpha(np.asarray(image).transpose(2, 0, 1))
    if image.mode[:1] in {"I", "F"}:
        return Pixels(_deep(image))
    noticed = (TURNED.format(image.mode),) if image.mode in {"CMYK", "LAB"} else ()
    if image.mode not in {"L", "RGB"}:
        image = image.convert("L" if image.mode == "1" else "RGB")
    pixels = np.asarray(image)
    channels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return Pixels(channels[None], noticed=noticed)


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
