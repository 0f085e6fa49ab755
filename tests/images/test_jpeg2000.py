"""JPEG 2000 of every depth, as imagecodecs writes it, against the values that were written."""

from __future__ import annotations

import numpy as np
import pytest

from normscope import stats
from normscope.images.decode import decode
from normscope.images.jpeg2000 import header_of
from normscope.images.pixels import UnreadableImage
from tests.images.exactness import exact

imagecodecs = pytest.importorskip("imagecodecs")
RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("kind", ["jp2", "j2k"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [1, 4, 7, 8, 9, 12, 15, 16])
def test_values_are_those_that_are_stored(tmp_path, bits, channels, kind):
    """Sentinel-2 has 15 bits."""
    path = tmp_path / f"a.{kind}"
    pixels = RANDOM.integers(0, 2**bits, (20, 24, channels)).astype("u1" if bits <= 8 else "u2")
    path.write_bytes(
        imagecodecs.jpeg2k_encode(
            pixels if channels == 3 else pixels[..., 0],
            bitspersample=bits, level=0, codecformat=kind, mct=False,
        )
    )  # fmt: skip
    found = stats(path)
    assert found.scale == 2**bits - 1
    exact(found, pixels, 2)


@pytest.mark.parametrize("dtype", ["i1", "i2"])
def test_signed_values_stay_signed(tmp_path, dtype):
    pixels = RANDOM.integers(-100, 101, (20, 24)).astype(dtype)
    data = imagecodecs.jpeg2k_encode(pixels, level=0)
    assert header_of(data) == (20, 24, ((8 * pixels.itemsize, True),))
    np.testing.assert_array_equal(decode(data).values[0, 0], pixels)


def test_deep_opacity_is_alpha_where_the_file_says_so():
    pixels = RANDOM.integers(1, 2**16, (20, 24, 4)).astype("u2")
    pixels[:3, :, 3] = 0
    data = imagecodecs.jpeg2k_encode(pixels, level=0)
    np.testing.assert_array_equal(decode(data).values[0], pixels.transpose(2, 0, 1))
    entries = b"".join(
        bytes([0, channel, 0, kind, 0, about])
        for channel, kind, about in ((0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 1, 0))
    )
    found = decode(_with_header(data, b"cdef", b"\0\4" + entries))
    np.testing.assert_array_equal(found.values[0], pixels[..., :3].transpose(2, 0, 1))
    assert found.valid is not None
    np.testing.assert_array_equal(found.valid[0, 0], pixels[..., 3] != 0)

    with pytest.raises(UnreadableImage):
        decode(_with_header(data, b"cdef", b"\0\4" + entries[:-1]))


def test_opacity_is_told_by_its_box_alone():
    """Not by letters in a comment, of which any length could be read."""
    pixels = RANDOM.integers(1, 2**16, (20, 24, 4)).astype("u2")
    data = imagecodecs.jpeg2k_encode(pixels, level=0)
    at = data.index(b"jp2h") - 4
    comment = _box(b"xml ", b"<a>cdef" + bytes([0, 4, 0, 3, 0, 1, 0, 0]) + b"</a>")
    found = decode(data[:at] + comment + data[at:])
    np.testing.assert_array_equal(found.values[0], pixels.transpose(2, 0, 1))
    assert found.valid is None


def _box(kind: bytes, held: bytes) -> bytes:
    return (8 + len(held)).to_bytes(4) + kind + held


def _with_header(data: bytes, kind: bytes, held: bytes) -> bytes:
    """The file with one more box among its headers."""
    at = data.index(b"jp2h") - 4
    end = at + int.from_bytes(data[at : at + 4])
    return data[:at] + _box(b"jp2h", data[at + 8 : end] + _box(kind, held)) + data[end:]


def test_what_is_cut_is_refused():
    data = imagecodecs.jpeg2k_encode(RANDOM.integers(0, 4096, (64, 64), np.uint16), level=0)
    for kept in (60, 100, len(data) // 2):
        with pytest.raises(UnreadableImage):
            decode(data[:kept])


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_jpeg_ls_is_read(dtype):
    pixels = RANDOM.integers(0, 200, (20, 24, 3)).astype(dtype)
    found = decode(imagecodecs.jpegls_encode(pixels))
    np.testing.assert_array_equal(found.values[0], pixels.transpose(2, 0, 1))


def _box(kind, contents):
    return (8 + len(contents)).to_bytes(4) + kind + contents


def test_a_codestream_in_another_box_is_not_the_images():
    """A preview of 8 x 8 pixels of 12 bits, as a UUID box may hold."""
    pixels = RANDOM.integers(0, 2**16, (20, 24)).astype("u2")
    data = imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="jp2")
    small = RANDOM.integers(0, 2**12, (8, 8)).astype("u2")
    preview = imagecodecs.jpeg2k_encode(small, level=0, bitspersample=12, codecformat="j2k")
    at = data.index(b"jp2c") - 4
    found = decode(data[:at] + _box(b"uuid", bytes(16) + preview) + data[at:])
    assert header_of(data) == (20, 24, ((16, False),))
    assert found.most is None
    np.testing.assert_array_equal(found.values[0, 0], pixels)


def test_boxes_may_have_long_lengths_or_none():
    pixels = RANDOM.integers(0, 2**12, (20, 24)).astype("u2")
    data = imagecodecs.jpeg2k_encode(pixels, level=0, bitspersample=12, codecformat="jp2")
    at = data.index(b"jp2c") - 4
    stream = data[at + 8 :]
    endless = data[:at] + bytes(4) + b"jp2c" + stream
    long = data[:at] + b"\0\0\0\1jp2c" + (16 + len(stream)).to_bytes(8) + stream
    for other in (endless, long):
        assert header_of(other) == (20, 24, ((12, False),))
        np.testing.assert_array_equal(decode(other).values[0, 0], pixels)


def test_jpeg_ls_of_many_channels_is_refused_before_it_is_decoded(monkeypatch):
    """A header of a kilobyte that promises 93 GiB."""
    components = b"".join(bytes([index, 0x11, 0]) for index in range(255))
    frame = b"\x10" + (14000).to_bytes(2) * 2 + b"\xff" + components
    scan = b"\xff\xda\0\x08\1\1\0\0\0\0" + bytes(100)
    monkeypatch.setattr(imagecodecs, "jpegls_decode", None)
    with pytest.raises(UnreadableImage, match="^99960000000 bytes of pixels is too large$"):
        decode(b"\xff\xd8\xff\xf7" + (len(frame) + 2).to_bytes(2) + frame + scan)
