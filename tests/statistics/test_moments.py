from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from normscope.errors import ChannelMismatch, NormscopeError
from normscope.statistics.exact import exact_dot, exact_sqrt, exact_sum
from normscope.statistics.moments import Moments
from tests.reference.fractions_moments import reference_moments, reference_std

TYPES = (
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
    "float32",
    "float64",
)


def _elements(dtype):
    if np.dtype(dtype).kind == "f":
        return st.floats(
            -(2.0**100),
            2.0**100,
            allow_nan=False,
            allow_subnormal=False,
            width=np.dtype(dtype).itemsize * 8,
        ).filter(lambda value: value == 0 or abs(value) > 1e-140)
    return None


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_fuzz_against_fractions(data):
    dtype = data.draw(st.sampled_from(TYPES))
    shape = tuple(data.draw(st.integers(1, 4)) for _ in range(4))
    pixels = data.draw(hnp.arrays(dtype, shape, elements=_elements(dtype)))
    valid = data.draw(st.none() | hnp.arrays(bool, shape))
    cut = data.draw(st.integers(0, shape[0]))
    whole = Moments.of(pixels, valid)
    parts = [
        Moments.of(pixels[s], None if valid is None else valid[s])
        for s in (slice(cut, None), slice(None, cut))
    ]
    for moments in (whole, parts[0].merge(parts[1])):
        for c, expected in enumerate(reference_moments(pixels, valid)):
            assert moments.n[c] == expected["n"] == moments.histogram[c].sum()
            assert moments.sums[c] == expected["sum"]
            assert moments.squares[c] == expected["squares"]
            assert moments.minimum[c] == expected["minimum"]
            assert moments.maximum[c] == expected["maximum"]
        if 0 not in moments.n:
            for c, expected in enumerate(reference_moments(pixels, valid)):
                assert moments.mean(3)[c] == float(expected["sum"] / expected["n"] / 3)
                assert moments.std(1)[c] == pytest.approx(reference_std(expected), rel=1e-15)


def test_two_images_of_very_different_size_weigh_by_their_pixels():
    white = Moments.of(np.full((1, 1, 1000, 1000), 255, np.uint8))
    black = Moments.of(np.zeros((1, 1, 10, 10), np.uint8))
    assert white.merge(black).mean(255) == (0.9999000099990001,)


def test_sums_beyond_64_bits():
    pixels = np.full((1, 1, 4, 4), 2**64 - 1, np.uint64)
    moments = Moments.of(pixels)
    assert moments.squares == (16 * (2**64 - 1) ** 2,)
    assert moments.std(1) == (0.0,)


def test_kinds_do_not_mix():
    grey = Moments.of(np.zeros((1, 1, 1, 1), np.uint8))
    with pytest.raises(ChannelMismatch) as error:
        grey.merge(Moments.of(np.zeros((1, 3, 1, 1), np.uint16)))
    assert str(error.value) == (
        "moments must have the same channels and type to be merged, got 1 of uint8 and 3 of "
        "uint16. Merge images of one kind."
    )


def test_shape_is_checked():
    with pytest.raises(NormscopeError) as error:
        Moments.of(np.zeros((2, 2), np.uint8))
    assert str(error.value) == (
        "pixels must have the shape (N, C, H, W), got (2, 2). Reshape the array."
    )


def test_no_pixel_counts():
    moments = Moments.of(np.zeros((1, 1, 1, 2), np.uint8), np.zeros((1, 1, 1, 2), bool))
    with pytest.raises(NormscopeError) as error:
        moments.mean(255)
    assert str(error.value) == (
        "every channel must have at least one pixel that counts, got (0,) pixels. "
        "Check --nodata and the alpha channel."
    )


@given(
    hnp.arrays(
        "float64", st.integers(0, 30), elements=st.floats(-1e100, 1e100, allow_subnormal=False)
    )
)
def test_exact_sum_needs_no_order(values):
    assert exact_sum(values) == sum(map(Fraction, values.tolist()), Fraction(0))
    assert exact_sum(values[::-1]) == exact_sum(values)


@given(
    hnp.arrays(
        "float64",
        st.integers(0, 30),
        elements=st.floats(-1e100, 1e100).filter(lambda v: v == 0 or abs(v) > 1e-100),
    )
)
def test_exact_dot(values):
    other = values[::-1]
    expected = sum(
        (Fraction(a) * Fraction(b) for a, b in zip(values.tolist(), other.tolist(), strict=True)),
        Fraction(0),
    )
    assert exact_dot(values, other) == expected


@given(st.fractions(0, 10**40))
def test_exact_sqrt(value):
    from decimal import Decimal, localcontext

    with localcontext() as context:
        context.prec = 80
        expected = float((Decimal(value.numerator) / value.denominator).sqrt())
    assert exact_sqrt(value) == expected
