"""JPEGs by OpenCV's libjpeg-turbo, bounded in size by their header before they are decoded."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from normscope.errors import MissingExtra
from normscope.images.pillow import decode_by_pillow
from normscope.images.pixels import Pixels, UnreadableImage, check_bytes, check_size
from normscope.wording import first_line

LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF})
JPEG_LS = 0xF7
"""The frame header of another way without loss (ITU-T T.87, section C.1.1)."""

START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {JPEG_LS}
"""ITU-T T.81 table B.1: all C0 to CF but the Huffman, extension and arithmetic tables."""

BARE = frozenset(range(0xD0, 0xD9)) | {0x01}
"""Markers without a length after them."""


class Frame(NamedTuple):
    """What a JPEG's first frame header promises.

    Attributes:
        marker: Its second byte, which says how the frame is coded.
        bits: In each sample.
        components: How many channels.
        height: In pixels.
        width: In pixels.
    """

    marker: int
    bits: int
    components: int
    height: int
    width: int


def jpeg_frame(data: bytes) -> Frame:
    """Find the first frame header.

    Args:
        data: The file's bytes, which start with FF D8.

    Returns:
        What it promises.

    Raises:
        UnreadableImage: If there is no frame header.

    Example:
        >>> jpeg_frame(bytes.fromhex("ffd8 ffc0 000b 08 0002 0003 01 0111 00"))
        Frame(marker=192, bits=8, components=1, height=2, width=3)
    """
    at = 2
    while at + 9 < len(data):
        if data[at] != 0xFF:
            # Stray bytes between segments are skipped, as libjpeg does.
            at = data.find(b"\xff", at)
            if at < 0:
                break
            continue
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in START_OF_FRAME:
            height = int.from_bytes(data[at + 5 : at + 7])
            width = int.from_bytes(data[at + 7 : at + 9])
            return Frame(marker, data[at + 4], data[at + 9], height, width)
        elif marker in BARE or marker == 0:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4])
    raise UnreadableImage("a JPEG without a frame header, so it is truncated")


def decode_jpeg(data: bytes) -> Pixels:
    """Decode a JPEG.

    One of four components goes through Pillow, which knows CMYK and YCCK; one of more than 8 bits
    or without loss through imagecodecs.

    Args:
        data: The file's bytes, which start with FF D8.

    Returns:
        One image, with one channel or three, as it is stored: Exif orientation is left alone.

    Raises:
        UnreadableImage: If it is truncated, corrupt or too large.
    """
    import cv2

    marker, bits, components, height, width = jpeg_frame(data)
    check_size(height, width)
    if bits > 8 or marker in {*LOSSLESS, JPEG_LS}:
        check_bytes(height * width * components * (1 if bits <= 8 else 2))
        return _decode_deep(data, bits, "jpegls" if marker == JPEG_LS else "jpeg8")
    if components not in {1, 3}:
        return decode_by_pillow(data)
    how = cv2.IMREAD_GRAYSCALE if components == 1 else cv2.IMREAD_COLOR_RGB
    try:
        encoded = np.frombuffer(data, np.uint8)
        pixels = cv2.imdecode(encoded, how | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise UnreadableImage("a JPEG that is truncated or corrupt")
    return Pixels(pixels.reshape(height, width, -1).transpose(2, 0, 1)[None])


def _decode_deep(data: bytes, bits: int, codec: str) -> Pixels:
    try:
        import imagecodecs
    except ImportError:
        raise MissingExtra("imagecodecs", "JPEGs of more than 8 bits or without loss") from None
    try:
        pixels = np.asarray(getattr(imagecodecs, f"{codec}_decode")(data))
    except Exception as error:  # noqa: BLE001 - of a class of its own
        raise UnreadableImage(f"not a readable JPEG: {first_line(error)}") from None
    most = None if bits == 8 * pixels.itemsize else 2**bits - 1
    return Pixels(pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1)[None], most=most)
