"""PNGs of 16 bits, whole and broken."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from normscope.images.decode import decode
from normscope.images.pixels import UnreadableImage

BANDS = {0: 1, 2: 3, 4: 2, 6: 4}
"""Samples per pixel of each colour type."""

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels: np.ndarray, colour_type: int, data: bytes | None = None) -> bytes:
    """A PNG of 16 bits from pixels of shape (H, W, bands), or from other compressed rows."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    body = zlib.compress(rows) if data is None else data
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("colour_type", BANDS)
def test_channels_keep_their_order_and_alpha_masks(colour_type):
    pixels = np.random.default_rng(0).integers(1, 65_536, (5, 7, BANDS[colour_type]), np.uint16)
    with_alpha = colour_type >= 4
    if with_alpha:
        pixels[0, :, -1] = 0
    image = decode(png(pixels, colour_type))
    colours = pixels[..., :-1] if with_alpha else pixels
    assert image.values.dtype == np.uint16
    np.testing.assert_array_equal(image.values[0], colours.transpose(2, 0, 1))
    if with_alpha:
        assert image.valid is not None
        np.testing.assert_array_equal(image.valid[0, 0], pixels[..., -1] != 0)
    else:
        assert image.valid is None


@pytest.mark.parametrize(
    "data",
    [zlib.compress(b"\0" * 10), b"garbage", zlib.compress(b"\x09" * 215)],
    ids=["rows missing", "not compressed", "no such filter"],
)
def test_damage_is_an_error_and_no_crash(data):
    # torchvision's decoder ends the process at each of these.
    with pytest.raises(UnreadableImage, match="^a 16-bit PNG that is truncated or corrupt$"):
        decode(png(np.zeros((5, 7, 3), np.uint16), 2, data))
