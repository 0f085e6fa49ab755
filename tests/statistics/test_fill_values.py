"""Values far from all others, which no header names, are said with what leaves them out."""

from __future__ import annotations

import numpy as np
import pytest

from normscope import stats
from normscope.errors import NormscopeError

RANDOM = np.random.default_rng(4)


def beside(fill, low, high, dtype):
    """Noise in a range, and a tenth of each image of another value."""
    pixels = RANDOM.integers(low, high, (4, 1, 20, 30)).astype(dtype)
    pixels[:, :, :2] = fill
    return pixels


@pytest.mark.parametrize(
    ("fill", "low", "high", "dtype"),
    [
        (-32768, 100, 1900, "int16"),
        (65535, 0, 10_000, "uint16"),
        (0, 1000, 9000, "uint16"),
        (2**32 - 1, 0, 5000, "uint32"),
        (2**63 - 1, 0, 5000, "int64"),
        (-(2**63), 0, 5000, "int64"),
        (2**64 - 1, 0, 5000, "uint64"),
        (-9999, 0, 3000, "float32"),
        (-3000, -1024, 3000, "float64"),
    ],
)
def test_they_are_said_and_the_advice_leaves_them_out(fill, low, high, dtype):
    pixels = beside(fill, low, high, dtype)
    note = stats(pixels, scale=1).notes[0]
    assert note.startswith("10 % of the pixel values are ")
    assert note.endswith(f" If that means no data, pass nodata={fill}.")
    again = stats(pixels, scale=1, nodata=fill)
    assert again.mean.value == pytest.approx([pixels[pixels != fill].mean()], rel=1e-12)
    assert not any("far from" in note for note in again.notes)


def test_the_sentence_has_the_others_and_the_channels():
    pixels = np.repeat(beside(-32768, 100, 900, np.int16), 3, axis=1)
    ends = pixels[pixels > 0].min(), pixels.max()
    others = f"far from all others ({ends[0]} to {ends[1]}). If that means no data, pass nodata"
    assert stats(pixels).notes[0] == f"10 % of the pixel values are -32768, {others}=-32768."
    pixels[:, 1] = np.abs(pixels[:, 1]) % 900 + 1
    sentence = f"10 % of the pixel values of channels 0 and 2 are -32768, {others}=-32768."
    assert stats(pixels).notes[0] == sentence


def test_zero_is_zero_in_floats_too():
    pixels = RANDOM.uniform(0.5, 1, (4, 1, 20, 30)).astype(np.float32)
    pixels[:, :, :2] = 0
    assert stats(pixels).notes[0].startswith("10 % of the pixel values are 0, far from all others")


def test_the_least_float_reads_back():
    pixels = beside(np.finfo(np.float32).min, 0, 3000, np.float32)
    note = stats(pixels, scale=1).notes[0]
    fill = float(note.split("nodata=")[1].rstrip("."))
    assert stats(pixels, scale=1, nodata=fill).minimum[0] >= 0


def test_floats_that_leave_0_to_1_for_it_are_refused_with_the_better_advice():
    pixels = beside(-9999, 0, 1, np.float32)
    pixels[:, :, 2:] = RANDOM.random((4, 1, 18, 30))
    with pytest.raises(NormscopeError) as error:
        stats(pixels)
    assert "nodata=-9999. Otherwise pass scale=1" in str(error.value)
    assert stats(pixels, nodata=-9999).scale == 1


@pytest.mark.parametrize(
    "pixels",
    [
        beside(255, 0, 100, np.uint8),
        beside(0, 1, 4000, np.uint16),
        beside(4095, 0, 4096, np.uint16),
        beside(255, 0, 8, np.int32),  # labels
        RANDOM.lognormal(size=(4, 1, 20, 30)),
    ],
    ids=["bytes", "background", "saturated", "labels", "tail"],
)
def test_other_values_are_not_said(pixels):
    assert not any("far from" in note for note in stats(pixels, scale=1).notes)


def test_the_range_is_that_of_measurements_of_either_sign():
    def note(pixels):
        return next(note for note in stats(pixels).notes if "16-bit" in note)

    dark = "the images are almost black. Pass scale with what your model divides by, such as"
    assert note(beside(65535, 0, 4000, np.uint16)).endswith(f"{dark} 4095, all of 12 bits.")
    signed = np.int16([[[-11200, 0, 40, 6200]]])
    assert note(signed).startswith("The 16-bit pixels reach only -11200 of 32767: ")
    assert note(signed).endswith(f"{dark} 16383, all of 14 bits.")
