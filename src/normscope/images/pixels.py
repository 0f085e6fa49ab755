"""One encoded image of any depth and band count: its pixels, and which of them count."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from normscope.images.decode import MAX_PIXELS, UnreadableImage
from normscope.images.jpeg_header import jpeg_shape

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
GREY_PNG = (b"\0", b"\4")
"""Colour types of grey, without and with alpha (PNG, W3C 2003, section 11.2.2)."""
UNCHANGED = 0
"""``torchvision.io.ImageReadMode.UNCHANGED``."""

WITH_ALPHA = {"LA", "La", "PA", "RGBA", "RGBa"}


@dataclass(frozen=True)
class Pixels:
    """Decoded images of one shape.

    Attributes:
        values: Shape ``(N, C, H, W)``; one encoded image has N = 1.
        valid: bool, of a shape that broadcasts to ``values``: which pixels count. None for all.
    """

    values: np.ndarray
    valid: np.ndarray | None = None

    def image(self, index: int) -> Pixels:
        """One of the images.

        Args:
            index: Which, from 0.

        Returns:
            A view of it, with N = 1.
        """
        return self.images(index, index + 1)

    def images(self, start: int, stop: int) -> Pixels:
        """Some of the images, one after another.

        Args:
            start: The first, from 0.
            stop: The one behind the last.

        Returns:
            A view of them.
        """
        valid = self.valid
        if valid is not None and len(valid) > 1:
            valid = valid[start:stop]
        return Pixels(self.values[start:stop], valid)


def decode_pixels(data: bytes) -> Pixels:
    """Decode an image without changing a value: 16 bits stay 16 bits, bands stay bands.

    JPEGs go through torchvision (libjpeg-turbo), 16-bit PNGs through OpenCV, TIFFs through
    tifffile, everything else through Pillow. Palettes become colours, and fully transparent
    pixels do not count. Exif orientation is left alone: it moves pixels and changes none.

    Args:
        data: The file's bytes.

    Returns:
        One image.

    Raises:
        UnreadableImage: If the data is no image, is truncated or too large.
    """
    if not data:
        raise UnreadableImage("an empty file")
    try:
        if data[:2] == b"\xff\xd8":
            return _jpeg(data)
        if data[:4] in TIFF_MAGIC:
            from normscope.images.tiff import decode_tiff

            return decode_tiff(data)
        if data[:8] == PNG_MAGIC and data[24:25] == b"\x10":
            return _deep_png(data)
        return _with_pillow(data)
    except MemoryError:
        raise UnreadableImage("more pixels than memory holds") from None


def check_size(height: int, width: int) -> None:
    """Refuse an image that promises too many pixels, or none.

    Args:
        height: In pixels.
        width: In pixels.

    Raises:
        UnreadableImage: If it is too large or empty.
    """
    if height * width > MAX_PIXELS:
        raise UnreadableImage(f"{width} x {height} pixels is too large")
    if height * width == 0:
        raise UnreadableImage(f"{width} x {height} pixels is no image")


def _jpeg(data: bytes) -> Pixels:
    components, height, width = jpeg_shape(data)
    check_size(height, width)
    if components not in {1, 3}:
        return _with_pillow(data)
    import torch
    import torchvision  # noqa: F401 - registers the operator

    # A bytearray because torch warns of read-only buffers; the copy is small beside decoding.
    encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    try:
        # The operator itself: its Python wrapper spends a warning on every call.
        return Pixels(torch.ops.image.decode_jpeg(encoded, UNCHANGED, False).numpy()[None])
    except RuntimeError as error:
        # Before the reason stand the function and its source file.
        raise UnreadableImage(_reason(error).rsplit(", ", 1)[-1]) from None


def _deep_png(data: bytes) -> Pixels:
    import cv2

    check_size(int.from_bytes(data[20:24]), int.from_bytes(data[16:20]))
    try:
        # Not torchvision: a row that is missing or damaged crashes its PNG decoder, and with it
        # the whole process (0.26).
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise UnreadableImage("a 16-bit PNG that is truncated or corrupt")
    if pixels.ndim == 2:
        return Pixels(pixels[None, None])
    grey = data[25:26] in GREY_PNG
    colours = np.moveaxis(pixels, 2, 0)[[0] if grey else [2, 1, 0]]
    return (
        split_alpha(np.stack([*colours, pixels[..., 3]]))
        if pixels.shape[2] == 4
        else (Pixels(colours[None]))
    )


def split_alpha(pixels: np.ndarray) -> Pixels:
    """Take the last channel for alpha: where it is 0, no channel of the pixel counts.

    Args:
        pixels: Shape ``(C + 1, H, W)``.

    Returns:
        One image of C channels.
    """
    visible = pixels[-1] != 0
    return Pixels(pixels[None, :-1], None if visible.all() else visible[None, None])


def _with_pillow(data: bytes) -> Pixels:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            check_size(image.height, image.width)
            return _from_pillow(image)
    except Image.UnidentifiedImageError:
        raise UnreadableImage("not an image in a known format") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnreadableImage("more pixels than can be decoded safely") from None
    except (OSError, SyntaxError, ValueError, EOFError, RuntimeError, KeyError) as error:
        raise UnreadableImage(_reason(error)) from None


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
    """The pixels of an open Pillow image, by the same rules as `decode_pixels`.

    Args:
        image: A ``PIL.Image.Image``.

    Returns:
        One image.
    """
    check_size(image.height, image.width)
    return _from_pillow(image)


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
