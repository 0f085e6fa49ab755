from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from normscope.errors import NormscopeError
from normscope.images.decode import decode
from normscope.images.pixels import ALPHA_KEPT, TOO_LARGE, UnreadableImage
from tests.images.test_deep_png import SIGNATURE, chunk, png

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
GREY = RGB[..., 0]
DEEP = RNG.integers(0, 65_536, (5, 7), dtype=np.uint16)


def _encoded(image, kind, **options):
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def _tiff(array, **options):
    data = io.BytesIO()
    tifffile.imwrite(data, array, **options)
    return data.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_colour_without_loss(kind):
    data = _encoded(Image.fromarray(RGB), kind, **({"lossless": True} if kind == "WEBP" else {}))
    pixels = decode(data)
    assert pixels.valid is None
    np.testing.assert_array_equal(pixels.values, RGB.transpose(2, 0, 1)[None])


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_grey_without_loss(kind):
    pixels = decode(_encoded(Image.fromarray(GREY), kind)).values
    for channel in pixels[0]:
        np.testing.assert_array_equal(channel, GREY)


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1), ("CMYK", 3)])
def test_jpeg(mode, channels):
    smooth = np.full((16, 16, 3), 120, np.uint8)
    pixels = decode(_encoded(Image.fromarray(smooth).convert(mode), "JPEG", quality=95))
    assert pixels.values.shape == (1, channels, 16, 16)
    assert np.abs(pixels.values.astype(int) - 120).max() <= 2


def test_exif_orientation_is_left_alone():
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = decode(_encoded(Image.fromarray(RGB), "JPEG", exif=exif))
    assert pixels.values.shape == (1, 3, 5, 7)


def test_fully_transparent_pixels_do_not_count():
    alpha = np.full((5, 7, 1), 128, np.uint8)
    alpha[0, :3] = 0
    for array in (np.concatenate([RGB, alpha], 2), np.concatenate([RGB[..., :1], alpha], 2)):
        pixels = decode(_encoded(Image.fromarray(array), "PNG"))
        assert pixels.values.shape[1] == array.shape[2] - 1
        assert pixels.valid.sum() == 32
    opaque = np.concatenate([RGB, np.full((5, 7, 1), 255, np.uint8)], 2)
    assert decode(_encoded(Image.fromarray(opaque), "PNG")).valid is None


def test_palette_becomes_colour_and_its_transparency_counts():
    image = Image.new("P", (4, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    for x in range(4):
        image.putpixel((x, 0), x)
    pixels = decode(_encoded(image, "PNG"))
    assert pixels.values[0, :, 0, 0].tolist() == [255, 0, 0]
    pixels = decode(_encoded(image, "PNG", transparency=3))
    assert pixels.valid[0, 0, 0].tolist() == [True, True, True, False]
    tiff = decode(_encoded(image, "TIFF"))
    assert tiff.values[0, :, 0, 1].tolist() == [0, 255, 0]


def test_one_bit_becomes_black_and_white():
    for kind in ("PNG", "TIFF", "BMP"):
        pixels = decode(_encoded(Image.fromarray(GREY > 127), kind)).values
        assert set(np.unique(pixels)) == {0, 255}
        np.testing.assert_array_equal(pixels[0, 0] == 255, GREY > 127)


def test_first_frame_of_a_gif():
    frames = [Image.new("L", (3, 3), value) for value in (10, 200)]
    data = _encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (decode(data).values == 10).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "float32", "float64"])
@pytest.mark.parametrize("bands", [1, 2, 5])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_tiff_of_any_type_and_band_count(dtype, bands, planar):
    array = (RNG.random((bands, 5, 7)) * 100).astype(dtype)
    if bands == 1:
        data = _tiff(array[0], photometric="minisblack", compression="lzw")
    elif planar == "contig":
        data = _tiff(
            array.transpose(1, 2, 0),
            photometric="minisblack",
            planarconfig="contig",
            extrasamples=[0] * (bands - 1),
            compression="lzw",
        )
    else:
        data = _tiff(
            array,
            photometric="minisblack",
            planarconfig="separate",
            extrasamples=[0] * (bands - 1),
        )
    pixels = decode(data)
    assert pixels.values.dtype == dtype
    np.testing.assert_array_equal(pixels.values[0], array)


def test_tiff_with_alpha_and_with_white_as_zero_and_pages():
    rgba = np.concatenate([RGB, np.zeros((5, 7, 1), np.uint8)], 2)
    rgba[0, 0, 3] = 255
    pixels = decode(_tiff(rgba, photometric="rgb", extrasamples=["assocalpha"]))
    assert pixels.values.shape[1] == 3
    assert pixels.valid.sum() == 1
    inverted = decode(_tiff(GREY, photometric="miniswhite"))
    np.testing.assert_array_equal(inverted.values[0, 0], 255 - GREY)
    stack = decode(_tiff(np.stack([GREY, GREY]), photometric="minisblack"))
    assert stack.values.shape == (1, 1, 10, 7)
    assert stack.noticed == ("with several pages of one kind: all of them count",)


def test_a_fourth_band_is_no_alpha_because_its_writer_says_so():
    bands = np.concatenate([RGB, GREY[..., None]], 2)
    pixels = decode(_tiff(bands, photometric="rgb", extrasamples=["unassalpha"]))
    np.testing.assert_array_equal(pixels.values[0], bands.transpose(2, 0, 1))
    assert pixels.valid is None
    assert pixels.noticed == (ALPHA_KEPT,)


@pytest.mark.parametrize(
    ("dtype", "value", "text"),
    [
        (np.int16, -32768, "-32768"),
        (np.float32, np.float32(-3.4028234663852886e38), "-3.4028234663852886e+38"),
        (np.uint8, 0, "0"),
    ],
)
def test_the_header_of_a_geotiff_says_what_does_not_count(dtype, value, text):
    heights = np.arange(1, 36).reshape(5, 7).astype(dtype)
    heights[1, 2:4] = value
    pixels = decode(_tiff(heights, extratags=[(42113, 2, 0, text, False)]))
    np.testing.assert_array_equal(pixels.valid[0, 0], heights != value)
    assert f"names, {text}:" in pixels.noticed[0]


@pytest.mark.parametrize("text", ["0.5", "", "none", "70000"])
def test_a_nodata_value_that_no_pixel_can_have_changes_nothing(text):
    pixels = decode(_tiff(GREY, extratags=[(42113, 2, 0, text, False)]))
    assert pixels.valid is None
    assert pixels.noticed == ()


def test_tiff_without_its_reader(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(NormscopeError) as error:
        decode(_tiff(GREY))
    assert str(error.value) == (
        "tifffile must be installed for TIFF images, got none. Run: pip install 'normscope[tiff]'"
    )


def _cut(data):
    return data[: len(data) * 2 // 3]


def _png_claim(width, height, bits):
    header = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + png(DEEP[..., None], 0)[33:]


def _tiff_claim():
    data = bytearray(_tiff(np.zeros((4, 4), np.uint8), photometric="minisblack"))
    directory = struct.unpack_from("<I", data, 4)[0]
    for entry in range(struct.unpack_from("<H", data, directory)[0]):
        at = directory + 2 + 12 * entry
        if struct.unpack_from("<H", data, at)[0] in {256, 257}:
            struct.pack_into("<HII", data, at + 2, 4, 1, 2_000_000)
    return bytes(data)


JPEG = _encoded(Image.fromarray(RNG.integers(0, 255, (64, 64, 3), dtype=np.uint8)), "JPEG")
BAD = {
    "an empty file": b"",
    "not an image in a known format": b"hello, this is text and no image",
    "a JPEG without a frame header, so it is truncated": JPEG[:100],
    f"60000 x 60000 {TOO_LARGE}": JPEG.replace(
        struct.pack(">HH", 64, 64), struct.pack(">HH", 60_000, 60_000), 1
    ),
    f"2500000000 {TOO_LARGE}": _png_claim(50_000, 50_000, 8),
    f"40000 x 40000 {TOO_LARGE}": _png_claim(40_000, 40_000, 16),
    "0 x 0 pixels is not an image": _png_claim(0, 0, 16),
    "4000000000000 bytes of pixels is too large": _tiff_claim(),
}


@pytest.mark.parametrize("reason", BAD)
def test_bad_images_say_why(reason):
    with pytest.raises(UnreadableImage) as error:
        decode(BAD[reason])
    assert str(error.value) == reason


@pytest.mark.parametrize(
    "data",
    [
        _cut(JPEG),
        _cut(_encoded(Image.fromarray(RGB), "PNG")),
        _cut(png(RNG.integers(0, 65_536, (50, 50, 3), dtype=np.uint16), 2)),
        _cut(_tiff(np.zeros((64, 64), np.uint16))),
        _cut(_tiff(RNG.integers(0, 9, (64, 64), dtype=np.uint16), compression="lzw")),
        _cut(_encoded(Image.fromarray(RGB), "BMP")),
        _cut(_encoded(Image.fromarray(RGB), "GIF")),
        _cut(_encoded(Image.fromarray(RGB), "WEBP")),
        b"\xff\xd8" + bytes(20),
        b"\xff\xd8\xff\xff\xff\xd8\x00\x00\xff",
        b"II*\0" + bytes(30),
        b"\x89PNG\r\n\x1a\n" + bytes(30),
        _tiff(np.zeros((4, 4), np.complex64)),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_truncated_images_are_unreadable(data):
    with pytest.raises(UnreadableImage):
        decode(data)
