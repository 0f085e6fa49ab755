"""Formats told by their first bytes, each against its own library."""

import builtins
import io

import cv2
import imagecodecs
import numpy as np
import OpenEXR
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from normscope import stats, train
from normscope.errors import NormscopeError
from normscope.images import high_range, jpegxl
from normscope.images.decode import decode
from normscope.images.formats import is_image
from normscope.images.jpegxl import jpegxl_size
from normscope.images.pixels import TOO_LARGE, UnreadableImage

RNG = np.random.default_rng(0)
GREY, COLOUR = (16, 24), (16, 24, 3)
LIGHT = (RNG.random(COLOUR, np.float32) * 4).astype(np.float16)


def written_exr(path, planes):
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, planes) as file:
        file.write(str(path))
    return path.read_bytes()


def test_exr_colours(tmp_path):
    data = written_exr(tmp_path / "a.exr", {"RGB": LIGHT})
    found = decode(data)
    assert is_image(data)
    np.testing.assert_array_equal(found.values[0], LIGHT.transpose(2, 0, 1))
    assert found.names == found.noticed == ()


def test_exr_of_other_channels(tmp_path):
    depth = RNG.random(GREY, np.float32)
    planes = {"Z": depth, **{c: LIGHT[..., i].copy() for i, c in enumerate("RGB")}, "N": depth * 2}
    found = decode(written_exr(tmp_path / "a.exr", planes))
    expected = [*LIGHT.transpose(2, 0, 1), depth * 2, depth]
    np.testing.assert_array_equal(found.values[0], np.stack(expected))
    assert found.names == ("R", "G", "B", "N", "Z")
    assert stats(tmp_path / "a.exr", scale=8).channel_names == found.names
    found = decode(written_exr(tmp_path / "b.exr", {"Y": depth}))
    np.testing.assert_array_equal(found.values[0, 0], depth)
    assert found.names == ()


def test_exr_alpha_masks(tmp_path):
    alpha = (RNG.random(GREY) > 0.5).astype(np.float16)
    data = written_exr(tmp_path / "a.exr", {"RGBA": np.dstack([LIGHT, alpha])})
    found = decode(data)
    np.testing.assert_array_equal(found.valid[0, 0], alpha != 0)
    assert found.values.shape == (1, 3, *GREY)


def test_exr_that_is_cut_or_large(tmp_path, monkeypatch):
    data = written_exr(tmp_path / "a.exr", {"RGB": LIGHT})
    with pytest.raises(UnreadableImage, match="^not a readable OpenEXR image: "):
        decode(data[: len(data) // 2])
    monkeypatch.setattr(high_range, "MAX_BYTES", 1000)
    with pytest.raises(UnreadableImage, match="^24 x 16 pixels of floats is too large$"):
        decode(data)


def test_radiance(monkeypatch):
    ok, encoded = cv2.imencode(".hdr", LIGHT.astype(np.float32))
    data = encoded.tobytes()
    assert ok
    assert is_image(data)
    np.testing.assert_array_equal(
        decode(data).values[0], imagecodecs.rgbe_decode(data).transpose(2, 0, 1)
    )
    with pytest.raises(UnreadableImage, match="^a Radiance picture without a size, or with turned"):
        decode(data.replace(b"-Y 16 +X 24", b"+X 24 -Y 16"))
    with pytest.raises(UnreadableImage, match=f"^99999 x 99999 {TOO_LARGE}$"):
        decode(data.replace(b"-Y 16 +X 24", b"-Y 99999 +X 99999"))
    monkeypatch.setattr(high_range, "MAX_BYTES", 1000)
    with pytest.raises(UnreadableImage, match="^24 x 16 pixels of floats is too large$"):
        decode(data)


@pytest.mark.parametrize(
    "pixels",
    [
        RNG.integers(0, 256, COLOUR, np.uint8), RNG.integers(0, 256, GREY, np.uint8),
        RNG.integers(0, 2**16, COLOUR, np.uint16), RNG.random(COLOUR, np.float32),
        RNG.random(GREY, np.float32), RNG.integers(0, 2, (*GREY, 4), np.uint8),
    ],
    ids=lambda pixels: f"{pixels.dtype}-{pixels.shape[2:]}",
)  # fmt: skip
def test_jpeg_xl(tmp_path, pixels):
    data = imagecodecs.jpegxl_encode(pixels, lossless=True)
    assert is_image(data)
    found = decode(data)
    channels = pixels.reshape(*GREY, -1).transpose(2, 0, 1)
    if len(channels) == 4:
        np.testing.assert_array_equal(found.valid[0, 0], channels[3] != 0)
        channels = channels[:3]
    np.testing.assert_array_equal(found.values[0], channels)
    with pytest.raises(UnreadableImage):
        decode(data[:-40])
    (tmp_path / "a.jxl").write_bytes(data)
    assert stats(tmp_path).images == 1


@given(height=st.integers(1, 300), width=st.integers(1, 300))
def test_the_size_of_a_jpeg_xl(height, width):
    data = imagecodecs.jpegxl_encode(np.zeros((height, width), np.uint8), effort=1)
    assert jpegxl_size(data) == (height, width)


def test_a_jpeg_xl_that_claims_too_much(monkeypatch):
    data = imagecodecs.jpegxl_encode(np.zeros((2000, 3000), np.uint8), effort=1)
    monkeypatch.setattr("normscope.images.pixels.MAX_PIXELS", 1000)
    with pytest.raises(UnreadableImage, match=f"^3000 x 2000 {TOO_LARGE}$"):
        decode(data)
    with pytest.raises(UnreadableImage, match="^a JPEG XL without a codestream"):
        decode(jpegxl.CONTAINER + bytes(20))


@pytest.mark.parametrize("shape", [GREY, COLOUR])
@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ({"bitspersample": 12, "level": 98}, 200), ({"bitspersample": 12, "lossless": True}, 0),
        ({"bitspersample": 16, "lossless": True}, 0), ({"bitspersample": 8, "lossless": True}, 0),
    ],
)  # fmt: skip
def test_deep_and_lossless_jpegs(shape, options, tolerance):
    bits = options["bitspersample"]
    # Smooth, so that a lossy one is close.
    ramp = np.linspace(0, 2**bits - 1, shape[1])
    pixels = np.broadcast_to(ramp if len(shape) == 2 else ramp[:, None], shape)
    pixels = np.array(pixels, np.uint8 if bits == 8 else np.uint16, order="C")
    data = imagecodecs.jpeg8_encode(pixels, **options)
    found = decode(data)
    np.testing.assert_array_equal(
        found.values[0], imagecodecs.jpeg8_decode(data).reshape(*GREY, -1).transpose(2, 0, 1)
    )
    np.testing.assert_allclose(
        found.values[0].astype(int),
        pixels.reshape(*GREY, -1).transpose(2, 0, 1).astype(int),
        atol=tolerance,
    )
    assert found.most == (4095 if bits == 12 else None)
    with pytest.raises(UnreadableImage):
        decode(data[:60])


def test_twelve_bits_are_divided_by_their_own_maximum(tmp_path):
    pixels = {}
    for split in ("train", "test"):
        for label, name in enumerate("ab"):
            (tmp_path / "set" / split / name).mkdir(parents=True)
            for number in range(4):
                image = RNG.integers(2000 * label, 2000 * label + 2000, (12, 12), np.uint16)
                pixels[split, name, number] = image
                path = tmp_path / "set" / split / name / f"{number}.jpg"
                path.write_bytes(imagecodecs.jpeg8_encode(image, bitspersample=12, lossless=True))
    mean = np.mean([image for key, image in pixels.items() if key[0] == "train"]) / 4095
    found = stats(tmp_path / "set", out=tmp_path / "out")
    assert found.scale == 4095
    assert found.mean.value[0] == pytest.approx(mean, rel=1e-12)
    assert stats(tmp_path / "set", out=tmp_path / "out").scale == 4095
    assert stats(tmp_path / "set", scale=100).scale == 100
    trial = train(str(tmp_path / "set"), epochs=1)
    assert trial.spec.normalization.mean[0] == pytest.approx(mean, rel=1e-12)
    Image.fromarray(image).save(tmp_path / "set" / "train" / "a" / "deep.png")
    assert stats(tmp_path / "set").scale == 65535


@pytest.mark.parametrize(
    ("module", "data", "what", "extra"),
    [
        ("imagecodecs", imagecodecs.jpegxl_encode(np.zeros(GREY, np.uint8)),
         "JPEG XL images", "tiff"),
        ("imagecodecs", imagecodecs.jpeg8_encode(np.zeros(GREY, np.uint16), bitspersample=12),
         "JPEGs of more than 8 bits or without loss", "tiff"),
        ("imagecodecs", imagecodecs.jpeg2k_encode(np.zeros(GREY, np.uint16)),
         "JPEG 2000 of other than 8 bits", "tiff"),
        ("OpenEXR", b"v/1\x01", "OpenEXR images", "exr"),
    ],
    ids=["jxl", "jpeg", "jp2", "exr"],
)  # fmt: skip
def test_a_library_that_is_missing(monkeypatch, module, data, what, extra):
    ordinary = builtins.__import__

    def without(name, *more, **options):
        if name == module:
            raise ImportError(name)
        return ordinary(name, *more, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(NormscopeError) as error:
        decode(data)
    assert str(error.value) == (
        f"{module} must be installed for {what}, got none. Run: pip install 'normscope[{extra}]'"
    )


def test_an_ordinary_jpeg_is_as_before():
    buffer = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, COLOUR, np.uint8)).save(buffer, "JPEG")
    expected = cv2.imdecode(np.frombuffer(buffer.getvalue(), np.uint8), cv2.IMREAD_COLOR_RGB)
    found = decode(buffer.getvalue())
    np.testing.assert_array_equal(found.values[0], expected.transpose(2, 0, 1))
    assert found.most is None
