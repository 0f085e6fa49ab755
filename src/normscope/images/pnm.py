"""Netpbm pictures of more than 8 bits, of which Pillow keeps 8 or makes 32."""

from __future__ import annotations

import re

import numpy as np

from normscope.images.pixels import Pixels, UnreadableImage, check_size

SPACE = rb"(?:\s|#[^\r\n]*[\r\n])+"
HEADER = re.compile(
    rb"P([2356])" + SPACE + rb"(\d{1,9})" + SPACE + rb"(\d{1,9})" + SPACE + rb"(\d{1,5})\s"
)
"""Of grey and colour, as text and as bytes (https://netpbm.sourceforge.net/doc/pgm.html, ppm.html):
width, height and the largest value."""

NUMERALS = re.compile(rb"[\s\d]*")
DAMAGED = "a PNM picture that is truncated or corrupt"


def is_deep_pnm(head: bytes) -> bool:
    r"""Whether a file that starts so is a Netpbm picture with values of more than 8 bits.

    Args:
        head: Its first bytes, with the whole header.

    Returns:
        Whether its largest value exceeds 255.

    Example:
        >>> is_deep_pnm(b"P5 640 480 4095\n"), is_deep_pnm(b"P5 640 480 255\n")
        (True, False)
    """
    found = HEADER.match(head)
    return found is not None and 255 < int(found[4]) < 65536


def _numerals(data: bytes, start: int) -> bytes:
    """The numbers of a picture that is text, up to what is none."""
    text = re.sub(rb"#[^\r\n]*", b"", data[start:])
    numerals = NUMERALS.match(text)
    assert numerals is not None
    end = numerals.end()
    if end < len(text) and text[end - 1 : end].isdigit():
        raise UnreadableImage(DAMAGED)
    return text[:end].strip()


def decode_deep_pnm(data: bytes) -> Pixels:
    """Decode a grey or colour picture of 9 to 16 bits.

    Args:
        data: The file's bytes, of which ``is_deep_pnm``.

    Returns:
        One image, uint16.

    Raises:
        UnreadableImage: If it is truncated, corrupt or too large.
    """
    header = HEADER.match(data)
    assert header is not None
    kind, width, height, most = map(int, header.groups())
    check_size(height, width)
    channels = 3 if kind in {3, 6} else 1
    count = height * width * channels
    try:
        if kind in {2, 3}:
            values = np.fromstring(_numerals(data, header.end()), np.int64, sep=" ")[:count]
        else:
            values = np.frombuffer(data, ">u2", count, header.end())
    except (ValueError, OverflowError):
        values = np.empty(0)
    if len(values) < count or values.min() < 0 or values.max() > most:
        raise UnreadableImage(DAMAGED)
    pixels = values.astype(np.uint16).reshape(height, width, channels)
    return Pixels(pixels.transpose(2, 0, 1)[None], most=None if most == 65535 else most)
