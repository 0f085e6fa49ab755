"""What Pillow does not read of PNGs: 16 bits, and the transparent value of deep or shallow grey."""

from __future__ import annotations

import numpy as np

from normscope.images.formats import PNG_MAGIC
from normscope.images.pixels import Pixels, UnreadableImage, check_size, split_alpha

GREY, GREY_ALPHA = 0, 4
"""Colour types (PNG, W3C 2003, section 11.2.2)."""

DEPTH_AT, COLOUR_AT = 24, 25
"""Where the header says how many bits a sample has, and the colour type."""


def decode_deep_png(data: bytes) -> Pixels:
    """Decode a PNG of 16 bits.

    Args:
        data: The file's bytes.

    Returns:
        One image, uint16.

    Raises:
        UnreadableImage: If it is truncated, corrupt or too large.
    """
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
        key = transparent_grey(data)
        if key is None:
            return Pixels(pixels[None, None])
        # OpenCV knows the transparent value of colours alone.
        seen = np.where(pixels == key, 0, 65535).astype(np.uint16)
        return split_alpha(np.stack([pixels, seen]))
    grey = data[COLOUR_AT] in {GREY, GREY_ALPHA}
    colours = np.moveaxis(pixels, 2, 0)[[0] if grey else [2, 1, 0]]
    if pixels.shape[2] == 4:
        return split_alpha(np.stack([*colours, pixels[..., 3]]))
    return Pixels(colours[None])


def transparent_grey(data: bytes) -> int | None:
    """The value of grey that is transparent.

    Args:
        data: A file's bytes.

    Returns:
        As stored, of as many bits as a sample has; None for all but grey PNGs that name one.
    """
    if data[: len(PNG_MAGIC)] != PNG_MAGIC or data[COLOUR_AT : COLOUR_AT + 1] != bytes([GREY]):
        return None
    at = len(PNG_MAGIC)
    while data[at + 4 : at + 8] not in {b"IDAT", b""}:
        length = int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] == b"tRNS":
            return int.from_bytes(data[at + 8 : at + 10]) if length == 2 else None
        at += 12 + length
    return None


def key_of_bytes(data: bytes) -> int | None:
    """The transparent value of a grey PNG whose samples have 2 or 4 bits, as bytes have it.

    Pillow widens such pixels and not the value (13.0).

    Args:
        data: A file's bytes.

    Returns:
        From 0 to 255; None for all other files.
    """
    key = transparent_grey(data)
    bits = data[DEPTH_AT] if key is not None else 0
    if key is None or bits not in {2, 4}:
        return None
    # Of the 16 bits that it is stored with, only the lower ones count.
    return key % 2**bits * (255 // (2**bits - 1))
