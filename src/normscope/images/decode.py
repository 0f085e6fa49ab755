"""One encoded image to pixels, bounded in size before it is decoded."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    import torch

MAX_PIXELS = 200_000_000
"""Larger images are refused unread: a few bytes can promise more pixels than memory holds."""

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class UnreadableImage(Exception):
    """An image that cannot be decoded; its text is the reason."""


def decode_image(data: bytes) -> np.ndarray:
    """Decode an image of 8 bits a channel.

    JPEGs go through libjpeg-turbo in torchvision, everything else through Pillow. Palettes become
    colours and an alpha channel is dropped. The first frame of an animation is taken, and Exif
    orientation is left alone, as torchvision's own loader does.

    Args:
        data: The file's bytes.

    Returns:
        uint8, shape ``(C, H, W)`` with one channel for grey images and three for colour.

    Raises:
        UnreadableImage: If the data is no image, is truncated, too large, or has other than 8 bits.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise UnreadableImage(f"{image.width} x {image.height} pixels is too large")
                if image.format == "JPEG" and image.mode in {"L", "RGB"}:
                    return _decode_jpeg(data)
                return _with_pillow(image)
    except UnreadableImage:
        raise
    except Image.DecompressionBombError:
        raise UnreadableImage("more pixels than can be decoded safely") from None
    except (OSError, SyntaxError, ValueError, EOFError, RuntimeError) as error:
        raise UnreadableImage(_reason(error, data)) from None


def _decode_jpeg(data: bytes) -> np.ndarray:
    import torch
    from torchvision.io import decode_jpeg

    encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    return cast("torch.Tensor", decode_jpeg(encoded)).numpy()


def _with_pillow(image) -> np.ndarray:
    if image.mode[:1] in {"I", "F"}:
        raise UnreadableImage(f"not an image of 8 bits a channel (mode {image.mode})")
    mode = "L" if image.mode in {"1", "L", "LA"} else "RGB"
    pixels = np.asarray(image.convert(mode))
    return np.ascontiguousarray(np.atleast_3d(pixels).transpose(2, 0, 1))


def _reason(error: Exception, data: bytes) -> str:
    if not data:
        return "an empty file"
    if "cannot identify" in str(error):
        return "not an image in a known format"
    return (str(error).splitlines() or [type(error).__name__])[0]
