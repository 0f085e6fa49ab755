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


def png(
    pixels: np.ndarray, colour_type: int, data: bytes | None = None, more: bytes = b"", bits=16
) -> bytes:
    """A PNG of 16 bits from pixels of shape (H, W, bands), or from other compressed rows.

    ``more`` are chunks in front of them. Of fewer bits there is one band, and whole bytes a row.
    """
    height, width = pixels.shape[:2]
    each = np.unpackbits(pixels.astype(">u2").view(np.uint8), axis=-1).reshape(-1, 16)
    stored = np.packbits(each[:, 16 - bits :]).reshape(height, -1)
    rows = b"".join(b"\0" + row.tobytes() for row in stored)
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    body = zlib.compress(rows) if data is None else data
    return SIGNATURE + chunk(b"IHDR", header) + more + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_the_transparent_value_of_grey_does_not_count(bits):
    pixels = np.random.default_rng(0).integers(0, 2 ** min(bits, 4), (5, 8, 1), np.uint16)
    shown = pixels * (255 // (2**bits - 1) if bits < 8 else 1)
    found = decode(png(pixels, 0, more=chunk(b"tRNS", struct.pack(">H", 1)), bits=bits))
    np.testing.assert_array_equal(found.values[0, 0], shown[..., 0])
    assert found.valid is not None
    np.testing.assert_array_equal(found.valid[0, 0], pixels[..., 0] != 1)
    assert decode(png(pixels, 0, bits=bits)).valid is None
    if bits < 16:  # the bits above those of a sample do not count
        high = chunk(b"tRNS", struct.pack(">H", 2**16 - 2**bits + 1))
        same = decode(png(pixels, 0, more=high, bits=bits)).valid
        np.testing.assert_array_equal(same, found.valid)


def test_the_transparent_value_of_deep_colours_does_not_count():
    pixels = np.random.default_rng(0).integers(0, 2, (5, 8, 3), np.uint16) * 999
    found = decode(png(pixels, 2, more=chunk(b"tRNS", struct.pack(">3H", 0, 999, 0))))
    assert found.valid is not None
    np.testing.assert_array_equal(found.valid[0, 0], (pixels != [0, 999, 0]).any(-1))


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
