"""Sums of floating-point numbers without rounding, so that no order of adding matters."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

Exact = int | Fraction
"""A number without rounding."""

CHUNK = 2**22
"""So many numbers are added at a time; the more there are, the fewer bits of each."""

LIMB_BITS = 21
"""Products of integers of so many bits, 2**20 at a time, add up in 64 bits."""

INTEGER_CHUNK = 2**20

LEAST_EXPONENT = -1074
"""Every float64 is a multiple of two to this power."""

SPLITTER = 2.0**27 + 1
"""Cuts a float64 into two halves of 26 bits (Dekker, Numer. Math. 18, 1971)."""


def exact_sum(values: np.ndarray) -> Fraction:
    """The sum of finite floats as the fraction that it is.

    Args:
        values: Finite floats of any shape.

    Returns:
        The exact sum, the same for every order of the values.

    Example:
        >>> exact_sum(np.array([1e16, 1.0, -1e16]))
        Fraction(1, 1)
    """
    return exact_sums(values.reshape(1, -1))[0]


def exact_sums(rows: np.ndarray) -> list[Fraction]:
    """The sum of each row of finite floats as the fraction that it is.

    The leading bits of all numbers, cut at one common unit, are integers that add up exactly; what
    is left over is cut at a smaller unit, until nothing is left. This is the extraction of Rump,
    Ogita and Oishi, Accurate floating-point summation part I (2008), doi:10.1137/050645671.

    Args:
        rows: Finite floats, shape ``(K, N)``.

    Returns:
        K exact sums, the same for every order of the values.
    """
    totals = [Fraction(0)] * len(rows)
    for start in range(0, rows.shape[1], CHUNK):
        chunk = np.ascontiguousarray(rows[:, start : start + CHUNK], np.float64)
        totals = [a + b for a, b in zip(totals, _chunk_sums(chunk), strict=True)]
    return totals


def exact_dot(left: np.ndarray, right: np.ndarray) -> Fraction:
    """The sum of products of finite floats, exact while every product stays in float64's range.

    Args:
        left: Finite floats, each 0 or of a magnitude between 1e-140 and 1e150.
        right: As many, in the same range.

    Returns:
        The exact sum of ``left * right``.

    Example:
        >>> exact_dot(np.array([1e8 + 1.0]), np.array([1e8 + 1.0])) == (10**8 + 1) ** 2
        True
    """
    product, error = exact_sums(np.stack(product_and_error(left.reshape(-1), right.reshape(-1))))
    return product + error


def product_and_error(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Products of floats, and what was lost when they were rounded.

    This is Dekker's algorithm (Numer. Math. 18, 1971, doi:10.1007/BF01397083).

    Args:
        left: Floats in the range that `exact_dot` needs.
        right: As many, in the same range.

    Returns:
        float64 products and errors, which add up to ``left * right``.
    """
    a, b = left.astype(np.float64, copy=False), right.astype(np.float64, copy=False)
    product = a * b
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def limbs(integers: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """Cut integers into limbs of `LIMB_BITS` bits; the sum of limb times 2**shift gives them back.

    Args:
        integers: Of any integer type, shape ``(N,)``.

    Returns:
        Limbs as int64, each with its shift, no more than the largest needs. The last one carries
        the sign.

    Example:
        >>> [(limb.tolist(), shift) for limb, shift in limbs(np.array([-1, 2**21 + 3]))]
        [([2097151, 3], 0), ([-1, 1], 21)]
    """
    rest = integers.astype(np.int64 if integers.dtype.kind == "i" else np.uint64, copy=False)
    largest = max(int(rest.max(initial=0)), -int(rest.min(initial=0)))
    cut, shift = [], 0
    while largest >> LIMB_BITS:
        cut.append(((rest & rest.dtype.type(2**LIMB_BITS - 1)).astype(np.int64, copy=False), shift))
        rest, largest, shift = rest >> LIMB_BITS, largest >> LIMB_BITS, shift + LIMB_BITS
    return [*cut, (rest.astype(np.int64, copy=False), shift)]


def limb_dot(left: list[tuple[np.ndarray, int]], right: list[tuple[np.ndarray, int]]) -> int:
    """The sum of products of integers that were cut into limbs."""
    return sum(int(np.dot(a, b)) << (i + j) for a, i in left for b, j in right)


def integer_dot(left: np.ndarray, right: np.ndarray) -> int:
    """The exact sum of products of integers, which may be beyond 64 bits.

    Args:
        left: Integers of any shape.
        right: As many.

    Returns:
        The sum of ``left * right``.

    Example:
        >>> integer_dot(np.array([2**62, 1]), np.array([2**62, 1])) == 2**124 + 1
        True
    """
    a, b = left.reshape(-1), right.reshape(-1)
    cuts = [slice(start, start + INTEGER_CHUNK) for start in range(0, a.size, INTEGER_CHUNK)]
    return sum(limb_dot(limbs(a[cut]), limbs(b[cut])) for cut in cuts)


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


def exact_variance(n: Exact, total: Exact, squares: Exact) -> Fraction:
    """The variance of ``n`` numbers, with divisor n, from their sum and that of their squares."""
    # Squares of floats below 1e-140 are rounded, which could leave a little less than 0.
    return max(Fraction(0), Fraction(squares * n - total * total) / (n * n))


def _chunk_sums(rows: np.ndarray) -> list[Fraction]:
    totals, rest = [Fraction(0)] * len(rows), rows
    # Integers of so many bits add up to less than 2**53, which float64 holds exactly.
    bits = 53 - rows.shape[1].bit_length()
    while (largest := np.abs(rest).max(axis=1)).any():
        units = np.maximum(np.frexp(largest)[1] - bits, LEAST_EXPONENT)
        whole = np.trunc(_times_powers(rest, -units))
        rest = rest - _times_powers(whole, units)
        for row, (leading, unit) in enumerate(zip(whole.sum(axis=1), units.tolist(), strict=True)):
            number = int(leading)
            totals[row] += number << unit if unit >= 0 else Fraction(number, 1 << -unit)
    return totals


def _times_powers(rows: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    # In two steps, since 2.0**1074 is beyond float64.
    half = exponents // 2
    scaled = rows * np.ldexp(1.0, half)[:, None]
    scaled *= np.ldexp(1.0, exponents - half)[:, None]
    return scaled


def _halves(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scaled = values * SPLITTER
    high = scaled - (scaled - values)
    return high, values - high
