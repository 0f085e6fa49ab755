"""JPEG 2000 of other than 8 bits, whose values Pillow stretches over 8 or 16 bits, or cuts to 8."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from normscope.errors import MissingExtra
from normscope.images.pixels import Pixels, UnreadableImage, check_bytes, check_size, split_alpha
from normscope.wording import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE_MARKER = b"\xff\x4f\xff\x51"
"""Start of codestream, and what follows it: the size (ITU-T T.800, A.5.1)."""

SIZE = struct.Struct(">4x2x2x8I H")
HEADERS, CHANNELS, CODESTREAM = b"jp2h", b"cdef", b"jp2c"
"""The boxes of headers, in it of what says which channels are opacity (T.800, I.5.3.6), and of the
pixels."""

LONG_BOX = struct.Struct(">I4sQ")
"""Before a box's contents: its length, its kind, and a longer length where the first is 1 (I.4)."""

BOX_BYTES = 8
"""Of these without the longer length."""


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
    at = _codestream(data)
    if not data.startswith(SIZE_MARKER, at) or len(data) < at + SIZE.size:
        return None
    right, bottom, left, top, *_, channels = SIZE.unpack_from(data, at)
    coded = data[at + SIZE.size : at + SIZE.size + 3 * channels : 3]
    if len(coded) < channels:
        return None
    return Header(bottom - top, right - left, tuple((1 + c % 128, c >= 128) for c in coded))


def _codestream(data: bytes) -> int:
    """Where it begins: other boxes, such as previews, may hold one too."""
    return next((start for kind, start, _ in _boxes(data) if kind == CODESTREAM), 0)


def _boxes(data: bytes, at: int = 0, stop: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of a file and of its header: their kinds, and where their contents lie."""
    stop = len(data) if stop is None else stop
    while at + LONG_BOX.size <= stop:
        length, kind, long = LONG_BOX.unpack_from(data, at)
        start = at + (LONG_BOX.size if length == 1 else BOX_BYTES)
        length = long if length == 1 else length
        end = min(stop, at + length) if length else stop
        if end < start:
            return
        if kind == HEADERS:
            yield from _boxes(data, start, end)
        else:
            yield kind, start, end
        at = end


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
    check_bytes(header.height * header.width * len(header.depths) * 2)
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
    boxes = _boxes(data)
    entries = next((data[start + 2 : end] for kind, start, end in boxes if kind == CHANNELS), b"")
    said = struct.iter_unpack(">3H", entries[: len(entries) // 6 * 6])
    return channels > 1 and any(
        channel == channels - 1 and kind in {1, 2} for channel, kind, _ in said
    )
