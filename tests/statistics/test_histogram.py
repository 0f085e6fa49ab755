from __future__ import annotations

import numpy as np
import pytest

from normscope.statistics import histogram
from normscope.statistics.histogram import bin_values, bins_of, count_bins, count_colour_bins

RNG = np.random.default_rng(0)


def _reference(channel):
    return [int((channel == value).sum()) for value in range(256)]


@pytest.mark.parametrize("strip", [1, 7, 100, 2**24])
@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (90, 100)])
def test_bytes_are_counted_in_every_layout(monkeypatch, strip, shape):
    monkeypatch.setattr(histogram, "STRIP_PIXELS", strip)
    interleaved = RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)
    image = interleaved.transpose(2, 0, 1)
    expected = [_reference(channel) for channel in image]
    assert count_colour_bins(image).tolist() == expected
    cropped = np.pad(interleaved, ((0, 0), (2, 3), (0, 0)))[:, 2:-3].transpose(2, 0, 1)
    assert count_colour_bins(cropped).tolist() == expected
    monkeypatch.setattr(histogram, "QUAD_BYTES", max(4, strip // 4 * 4))
    assert [count_bins(np.ascontiguousarray(c)).tolist() for c in image] == expected
    assert [count_bins(c).tolist() for c in image] == expected


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int16"])
def test_every_value_of_a_narrow_type_has_its_bin(dtype):
    limits = np.iinfo(dtype)
    pixels = np.array([limits.min, 0, limits.max, limits.max], dtype)
    counts, values = count_bins(pixels), bin_values(np.dtype(dtype))
    assert len(values) == bins_of(np.dtype(dtype)) == limits.max - limits.min + 1
    np.testing.assert_array_equal(np.repeat(values, counts), np.sort(pixels))


def test_bins_of_floats_rise_and_hold_their_pixels():
    dtype = np.dtype(np.float32)
    values = bin_values(dtype)
    assert (np.diff(values[np.isfinite(values)]) >= 0).all()
    pixels = np.sort(RNG.normal(0, 100, 1000).astype(np.float32))
    named = np.repeat(values, count_bins(pixels))
    assert (np.abs(named - pixels) <= 2**-7 * np.abs(pixels)).all()
    assert (np.abs(named) <= np.abs(pixels)).all()
