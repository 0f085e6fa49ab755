from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from normscope.images.exif import ORIENTATION, orientation_of, turned_upright


def encoded(pixels: np.ndarray, orientation: int | None, format_: str = "PNG") -> bytes:
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    if orientation is not None:
        exif[ORIENTATION] = orientation
    written = io.BytesIO()
    image.save(written, format_, exif=exif)
    return written.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_pillow_turns_them(orientation):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 3), np.uint8)
    data = encoded(pixels, orientation)
    assert orientation_of(data) == orientation
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    turned = turned_upright(pixels.transpose(2, 0, 1), orientation)
    np.testing.assert_array_equal(turned.transpose(1, 2, 0), expected)


@pytest.mark.parametrize("orientation", [None, 0, 9])
def test_no_orientation_or_a_senseless_one_leaves_the_image(orientation):
    assert orientation_of(encoded(np.zeros((2, 2, 3), np.uint8), orientation)) == 1


def test_a_tiff_is_turned_by_pillow_and_not_again():
    assert orientation_of(encoded(np.zeros((2, 2, 3), np.uint8), 6, "TIFF")) == 1


def test_what_pillow_cannot_open_is_upright():
    cut_marker = b"\xff\xd8\xff\xe0\x00\x03"  # which OpenCV reads past
    assert [orientation_of(data) for data in (cut_marker, b"\xff\x0a", b"v/1\x01", b"")] == [1] * 4
