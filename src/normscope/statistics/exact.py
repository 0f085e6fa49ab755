"""Sums of floating-point numbers without rounding, so that no order of adding matters."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

Exact = int | Fraction
"""A number without rounding."""

CHUNK = 2**22
"""27-bit halves of so many numbers add up to less than 2**53, which float64 holds exactly."""

SPLITTER = 2.0**27 + 1
"""Cuts a float64 into two halves of 26 bits (Dekker, Numer. Math. 18, 1971)."""


def exact_sum(values: np.ndarray) -> Fraction:
    """The sum of finite floats as the fraction that it is.

    Numbers that share an exponent are integers in one unit, so they are added exactly within each
    exponent, and the few exponents in Python's integers. This is the small superaccumulator of
    Neal, Fast exact summation using small and large superaccumulators (2015), arXiv:1505.05571.

    Args:
        values: Finite floats of any shape.

    Returns:
        The exact sum, the same for every order of the values.

    Example:
        >>> exact_sum(np.array([1e16, 1.0, -1e16]))
        Fraction(1, 1)
    """
    flat = np.ascontiguousarray(values, np.float64).reshape(-1)
    chunks = (flat[start : start + CHUNK] for start in range(0, flat.size, CHUNK))
    return sum((_chunk_sum(chunk) for chunk in chunks), Fraction(0))


def exact_dot(left: np.ndarray, right: np.ndarray) -> Fraction:
    """The sum of products of finite floats, exact while every product stays in float64's range.

    A product of two float64 is the sum of two: its rounded value and its rounding error, which
    Dekker's algorithm gives (Numer. Math. 18, 1971, doi:10.1007/BF01397083).

    Args:
        left: Finite floats, each 0 or of a magnitude between 1e-140 and 1e150.
        right: As many, in the same range.

    Returns:
        The exact sum of ``left * right``.

    Example:
        >>> exact_dot(np.array([1e8 + 1.0]), np.array([1e8 + 1.0])) == (10**8 + 1) ** 2
        True
    """
    a = np.ascontiguousarray(left, np.float64).reshape(-1)
    b = np.ascontiguousarray(right, np.float64).reshape(-1)
    product = a * b
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return exact_sum(product) + exact_sum(error)


def exact_sqrt(value: Exact) -> float:
    """The square root of an exact number, rounded once.

    Args:
        value: At least 0.

    Returns:
        The float64 nearest the root, to within the last bit.

    Example:
        >>> exact_sqrt(Fraction(1, 4))
        0.5
    """
    numerator, denominator = int(value.numerator), int(value.denominator)
    # 64 bits beyond the point of the result leave its 53 bits right.
    shift = max(0, 128 - (numerator.bit_length() - denominator.bit_length()))
    shift += shift % 2
    root = math.isqrt((numerator << shift) // denominator)
    return float(Fraction(root, 1 << (shift // 2)))


def _chunk_sum(values: np.ndarray) -> Fraction:
    mantissas, exponents = np.frexp(values)
    integers = np.ldexp(mantissas, 53).astype(np.int64)
    lowest = int(exponents.min())
    offsets = exponents - lowest
    high = np.bincount(offsets, weights=integers >> 27)
    low = np.bincount(offsets, weights=integers & (2**27 - 1))
    total = sum(
        ((int(top) << 27) + int(bottom)) << offset
        for offset, (top, bottom) in enumerate(zip(high, low, strict=True))
        if top or bottom
    )
    exponent = lowest - 53
    return Fraction(total << exponent) if exponent >= 0 else Fraction(total, 1 << -exponent)


def _halves(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scaled = values * SPLITTER
    high = scaled - (scaled - values)
    return high, values - high
