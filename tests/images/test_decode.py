from __future__ import annotations

import io
import subprocess
import sys
import tracemalloc
import warnings

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from torchvision.io import decode_jpeg

from normscope.images.decode import decode, decode_8_bits, decode_as_8_bits
from normscope.images.pixels import UnreadableImage

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def decode_image(data):
    return decode_8_bits(data).values[0]


def encoded(image: Image.Image, format_: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("format_", "options"), [
    ("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True}),
])  # fmt: skip
def test_lossless_formats_give_back_the_pixels(format_, options):
    pixels = decode_image(encoded(Image.fromarray(RGB), format_, **options))
    np.testing.assert_array_equal(pixels, RGB.transpose(2, 0, 1))


def test_grey_stays_one_channel():
    assert decode_image(encoded(Image.fromarray(RGB[..., 0]), "PNG")).shape == (1, 5, 7)


def test_jpeg_agrees_with_pillow():
    data = encoded(Image.fromarray(RGB), "JPEG", quality=95)
    difference = decode_image(data).astype(int) - np.asarray(
        Image.open(io.BytesIO(data))
    ).transpose(2, 0, 1)
    assert np.abs(difference).max() <= 1


SMOOTH = Image.fromarray(RGB).resize((61, 43), Image.Resampling.BICUBIC)
JPEGS = [
    {"mode": mode, "subsampling": subsampling, "progressive": progressive}
    for mode in ("RGB", "L", "CMYK")
    for subsampling in (0, 1, 2)
    for progressive in (False, True)
] + [{"mode": "RGB", "keep_rgb": True}]


@pytest.mark.filterwarnings("ignore:The image decoding:DeprecationWarning")
@pytest.mark.parametrize("options", JPEGS, ids=lambda o: "-".join(map(str, o.values())))
def test_a_jpeg_of_any_kind_has_pillows_pixels_and_torchvisions_bits(options):
    options = dict(options)
    data = encoded(SMOOTH.convert(options.pop("mode")), "JPEG", quality=85, **options)
    image = Image.open(io.BytesIO(data))
    theirs = np.asarray(image.convert("RGB" if image.mode == "CMYK" else image.mode))
    pixels = decode_image(data)
    np.testing.assert_array_equal(pixels, np.atleast_3d(theirs).transpose(2, 0, 1))
    if image.mode != "CMYK":
        encoded_ = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        np.testing.assert_array_equal(pixels, decode_jpeg(encoded_).numpy())


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_truncated_jpeg_is_refused_wherever_it_is_cut(share):
    data = encoded(SMOOTH, "JPEG")
    with pytest.raises(UnreadableImage, match="a JPEG that is truncated or corrupt"):
        decode_image(data[: int(share * len(data))])


@pytest.mark.parametrize("mode", ["P", "RGBA", "CMYK"])
def test_other_modes_become_colour(mode):
    format_ = "TIFF" if mode == "CMYK" else "PNG"
    assert decode_image(encoded(Image.fromarray(RGB).convert(mode), format_)).shape == (3, 5, 7)


def test_first_frame_of_an_animation():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode_image(data)[:, 0, 0], [255, 0, 0])


def test_exif_orientation_is_left_alone():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode_image(encoded(Image.fromarray(RGB), "JPEG", exif=exif)).shape == (3, 5, 7)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "an empty file"),
        (b"hello", "not an image in a known format"),
        (encoded(Image.fromarray(RGB), "PNG")[:60], "image file is truncated"),
    ],
)
def test_unreadable_images(data, reason):
    with pytest.raises(UnreadableImage, match=reason):
        decode_image(data)


def test_a_truncated_jpeg():
    data = encoded(Image.fromarray(np.tile(RGB, (20, 20, 1))), "JPEG")
    with pytest.raises(UnreadableImage):
        decode_image(data[: len(data) // 2])


def test_sixteen_bits_are_not_squeezed_into_eight():
    data = encoded(Image.fromarray(RGB[..., 0].astype(np.uint16) * 257), "PNG")
    with pytest.raises(UnreadableImage, match=r"not an image of 8 bits a channel \(uint16\)"):
        decode_image(data)


def test_a_bomb_is_refused_by_its_header():
    import struct
    import zlib

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    bomb += struct.pack(">I", zlib.crc32(chunk))
    with pytest.raises(UnreadableImage):
        decode_image(bomb)


def test_a_tiff_too_large_for_a_network_says_what_to_do(monkeypatch):
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((30, 20), np.uint16))
    data = file.getvalue()
    monkeypatch.setattr("normscope.images.tiff.MAX_PIXELS", 600)
    assert decode_as_8_bits(data, 65535).values.shape == (1, 1, 30, 20)
    monkeypatch.setattr("normscope.images.tiff.MAX_PIXELS", 599)
    with pytest.raises(UnreadableImage) as error:
        decode_as_8_bits(data, 65535)
    assert str(error.value) == (
        "20 x 30 pixels is too large for a network, which is shown whole images: cut it into tiles"
    )
    assert decode(data).values.shape == (1, 1, 30, 20)  # its statistics are read by window


def test_deep_pixels_become_bytes_in_little_memory():
    deep = np.random.default_rng(0).integers(0, 2**16, (1500, 1000, 3), np.uint16)
    file = io.BytesIO()
    np.save(file, deep.transpose(2, 0, 1)[None])
    data = file.getvalue()
    tracemalloc.start()
    try:
        bytes_ = decode_as_8_bits(data, 4095).values
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    wanted = np.clip(np.rint(deep * (255 / 4095)), 0, 255).astype(np.uint8)
    assert np.array_equal(bytes_[0].transpose(1, 2, 0), wanted)
    assert peak < 4 * deep.nbytes


def test_a_large_image_that_is_allowed_is_read_without_a_warning(monkeypatch):
    data = encoded(Image.fromarray(RGB), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", RGB.shape[0] * RGB.shape[1] - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_image(data).shape == (3, 5, 7)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_without_a_number_have_no_bytes(value):
    file = io.BytesIO()
    tifffile.imwrite(file, np.full((8, 8), value, np.float32))
    with pytest.raises(UnreadableImage, match="^pixels that are infinite or not a number$"):
        decode_as_8_bits(file.getvalue(), 1)


@pytest.mark.parametrize(
    ("shape", "images", "taken"),
    [
        ((3, 9, 7), (1, 3, 9, 7), "CHW"),
        ((9, 7, 3), (1, 3, 9, 7), "HWC"),
        ((5, 9, 7), (5, 1, 9, 7), "NHW"),
    ],
)
def test_a_npy_file_among_others_is_one_image_where_it_may_be(shape, images, taken):
    written = io.BytesIO()
    np.save(written, np.zeros(shape, np.uint8))
    found = decode(written.getvalue())
    assert found.values.shape == images
    assert found.noticed == (f"of arrays whose axes are read as {taken}",)


def test_many_bands_make_pillow_say_nothing():
    written = io.BytesIO()
    tifffile.imwrite(
        written, np.zeros((9, 7, 10), np.float32), photometric="minisblack", planarconfig="contig"
    )
    code = (
        "import sys; from normscope.images.decode import decode_for_networks as d; "
        "print(d(sys.stdin.buffer.read()).values.shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=written.getvalue(), capture_output=True, check=True
    )
    assert (done.stdout.strip(), done.stderr) == (b"(1, 10, 9, 7)", b"")
