"""Netpbm pictures of every depth, written by hand."""

from __future__ import annotations

import numpy as np
import pytest

from normscope import stats
from normscope.images.decode import decode
from normscope.images.pixels import UnreadableImage
from tests.images.exactness import exact


def _picture(pixels, most, text=False, head=b"%s %d %d\n%d\n"):
    height, width, channels = pixels.shape
    kind = {(1, True): b"P2", (3, True): b"P3", (1, False): b"P5", (3, False): b"P6"}
    header = head % (kind[channels, text], width, height, most)
    if text:
        return header + b" ".join(b"%d" % value for value in pixels.reshape(-1))
    return header + pixels.astype(">u2").tobytes()


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("most", [1023, 4095, 65535])
def test_deep_pictures_keep_their_values(tmp_path, most, channels, text):
    pixels = np.random.default_rng(0).integers(0, most + 1, (7, 9, channels), np.uint16)
    path = tmp_path / "a.pnm"
    path.write_bytes(_picture(pixels, most, text, b"%s\n# by hand\n%d # wide\n%d\n%d\n"))
    found = stats(path)
    assert (found.dtype, found.scale) == ("uint16", most)
    exact(found, pixels, 2)


@pytest.mark.parametrize("text", [False, True])
def test_what_is_cut_or_too_bright_is_refused(text):
    pixels = np.full((7, 9, 1), 4000, np.uint16)
    whole = _picture(pixels, 4095, text)
    decode(whole)
    for data in (whole[:-6], whole[:20], _picture(pixels, 3999, text), b"P2 2 1 4095\n7 x",
                 b"P2 2 1 65535\n100000 1", b"P2 2 1 4095\n7 " + b"9" * 30):  # fmt: skip
        with pytest.raises(UnreadableImage, match="^a PNM picture that is truncated or corrupt$"):
            decode(data)


@pytest.mark.parametrize(
    "values", [b"040950 1", b"1_0 1", b"+1 1", b"1.5 1", b"1 1.5", b"", b" ", b"1 ", b"9" * 30]
)
def test_only_whole_decimal_numbers_within_the_range_are_values(values):
    with pytest.raises(UnreadableImage, match="^a PNM picture that is truncated or corrupt$"):
        decode(b"P2 2 1 4095\n" + values)


def test_zeros_may_lead_and_anything_may_follow_the_pixels():
    found = decode(b"P2 2 1 4095\n0000012 #3\n\t4095 \0 more")
    assert found.values.tolist() == [[[[12, 4095]]]]
