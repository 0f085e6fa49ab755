"""JPEG 2000 of other than 8 bits, whose values Pillow stretches over 8 or 16 bits, or cuts to 8."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from normscope.errors import MissingExtra
from normscope.images.pixels import MAX_BYTES, Pixels, UnreadableImage, check_size, split_alpha
from normscope.wording import first_line

SIZE_MARKER = b"\xff\x4f\xff\x51"
"""Start of codestream, and what follows it: the size (ITU-T T.800, A.5.1)."""

SIZE = struct.Struct(">4x2x2x8I H")
BOX = struct.Struct(">I4s")
"""How a box starts: its length, this included, and its kind (T.800, I.4)."""

HEADERS, CHANNELS = b"jp2h", b"cdef"
"""The box of headers, and in it the one that says which channels are opacity (I.5.3.6)."""


class Header(NamedTuple):
    """What a codestream's size marker says.

    Attributes:
        height: In pixels.
        width: In pixels.
        depths: Of each channel, its bits and whether it is signed.
    """

    height: int
    width: int
    depths: tuple[tuple[int, bool], ...]


def header_of(data: bytes) -> Header | None:
    """Find the size marker.

    Args:
        data: The file's bytes.

    Returns:
        What it says, or None without one that is whole.
    """
    at = data.find(SIZE_MARKER)
    if at < 0 or len(data) < at + SIZE.size:
        return None
    right, bottom, left, top, *_, channels = SIZE.unpack_from(data, at)
    coded = data[at + SIZE.size : at + SIZE.size + 3 * channels : 3]
    if len(coded) < channels:
        return None
    return Header(bottom - top, right - left, tuple((1 + c % 128, c >= 128) for c in coded))


def is_of_8_bits(data: bytes) -> bool:
    """Whether Pillow gives the values that a file holds.

    Args:
        data: The bytes of a JPEG 2000 file.

    Returns:
        False where a channel has other than 8 bits or is signed.
    """
    header = header_of(data)
    return header is None or set(header.depths) <= {(8, False)}


def decode_deep_jpeg2000(data: bytes) -> Pixels:
    """Decode a JPEG 2000 of any number of bits and channels.

    Args:
        data: The file's bytes, which are not ``is_of_8_bits``.

    Returns:
        One image, with the values that are stored.

    Raises:
        MissingExtra: If imagecodecs is not installed.
        UnreadableImage: If it is truncated, corrupt or too large.
    """
    try:
        import imagecodecs
    except ImportError:
        raise MissingExtra("imagecodecs", "JPEG 2000 of other than 8 bits") from None
    header = header_of(data)
    assert header is not None
    check_size(header.height, header.width)
    bytes_ = header.height * header.width * len(header.depths) * 2
    if bytes_ > MAX_BYTES:
        raise UnreadableImage(f"{bytes_} bytes of pixels is too large")
    try:
        pixels = np.asarray(imagecodecs.jpeg2k_decode(data))
    except Exception as error:  # noqa: BLE001 - of a class of its own
        raise UnreadableImage(f"not a readable JPEG 2000: {first_line(error)}") from None
    bands = pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1)
    bits, signed = max(header.depths)
    most = None if signed or bits == 8 * bands.dtype.itemsize else 2**bits - 1
    if _ends_with_alpha(data, len(bands)):
        return replace(split_alpha(bands), most=most)
    return Pixels(bands[None], most=most)


def _ends_with_alpha(data: bytes, channels: int) -> bool:
    entries = _inside(_inside(data, HEADERS), CHANNELS)[2:]
    said = struct.iter_unpack(">3H", entries[: len(entries) // 6 * 6])
    return channels > 1 and any(
        channel == channels - 1 and kind in {1, 2} for channel, kind, _ in said
    )


def _inside(boxes: bytes, wanted: bytes) -> bytes:
    """What the first box of a kind holds; nothing where there is none."""
    at = 0
    while at + BOX.size <= len(boxes):
        length, kind = BOX.unpack_from(boxes, at)
        if kind == wanted:
            return boxes[at + BOX.size : at + length]
        if length < BOX.size:  # a codestream, which may be longer than 32 bits say
            break
        at += length
    return b""
