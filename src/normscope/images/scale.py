"""What pixels are divided by to bring them to [0, 1]."""

from __future__ import annotations

import math

import numpy as np

from normscope.errors import NormscopeError

SMALLEST_SCALE, LARGEST_SCALE = 1e-100, 1e100
"""Beyond them a quotient of a pixel might not be a float any more."""

OWN_UNIT = "a unit of their own (HU, heights) or values for no data"
"""What integers below 0 are, which no camera counts."""


def check_scale(scale: float | None) -> None:
    """Refuse a scale that nothing can be divided by.

    Args:
        scale: As it was given, or None.

    Raises:
        NormscopeError: If it is out of range.
    """
    if scale is not None and not SMALLEST_SCALE <= scale <= LARGEST_SCALE:
        raise NormscopeError(
            f"--scale must be from {SMALLEST_SCALE:g} to {LARGEST_SCALE:g}, got {scale}. "
            "Give what brings pixels to [0, 1]."
        )


def white_of(top: float, limit: float) -> float:
    """The largest value of as many bits as whole numbers use: 8, or an even number of them.

    Args:
        top: The largest of them.
        limit: The largest that their type holds.

    Returns:
        Of a camera of so many bits the value of white.

    Example:
        >>> white_of(200, 65535), white_of(1900, 65535), white_of(40000, 65535)
        (255.0, 4095.0, 65535.0)
    """
    bits = max(8, math.ceil(top).bit_length())
    return float(min(limit, 2 ** (bits + bits % 2) - 1))


def unused_bits_of(top: int, dtype: np.dtype) -> str:
    """What is said of whole numbers that use less than half of what their type holds.

    Args:
        top: The value that lies farthest from 0.
        dtype: Their type, whose largest value divides them.

    Returns:
        A sentence; nothing of bytes and floats.
    """
    if dtype.kind == "f" or dtype.itemsize == 1:
        return ""
    limit = int(np.iinfo(dtype).max)
    bits, used = 8 * dtype.itemsize, max(1, abs(top).bit_length())
    if 2 * abs(top) > limit:
        return ""
    return (
        f"The {bits}-bit pixels reach only {top} of {limit}: divided by {limit} the images are "
        f"almost black. Pass --scale with what your model divides by, such as {2**used - 1}, all "
        f"of {used} bits."
    )


def scale_of(
    given: float | None,
    dtype: np.dtype,
    ends: tuple[float, float] | None,
    name: str,
    beware: str = "",
    *,
    counts: bool = False,
) -> float:
    """The scale of pixels: what was given, else the type's maximum, and 1 for floats in [0, 1].

    Args:
        given: What the user or the source says, or None.
        dtype: The pixels' type.
        ends: The least pixel and the greatest; needed of floats, and of integers that must count.
        name: What the images are called in errors.
        beware: A sentence on floats that leave [0, 1], or nothing.
        counts: Whether integers must be what a camera counts, of which their type's maximum may be
            white.

    Returns:
        A divisor.

    Raises:
        NormscopeError: If floats leave [0, 1], or integers lie below 0 that must count, and nothing
            was given.

    Example:
        >>> scale_of(None, np.dtype(np.uint16), None, "scans")
        65535.0
    """
    if given is not None:
        return float(given)
    low, high = ends or (0.0, 1.0)
    if dtype.kind != "f":
        if counts and low < 0:
            raise NormscopeError(
                f"integer pixels must be from 0 up unless --scale is given, got {low:.6g} to "
                f"{high:.6g} in {name}: {OWN_UNIT}. Pass --scale 1 if the constants are in that "
                "unit, or what the network's pipeline divides by."
            )
        return float(np.iinfo(dtype).max)
    if low < 0 or high > 1:
        raise NormscopeError(
            f"float pixels must lie in [0, 1] unless --scale is given, got {low:.6g} to "
            f"{high:.6g} in {name}. {beware + ' Otherwise pass' if beware else 'Pass'} --scale 1 "
            "to keep them as they are, or their maximum."
        )
    return 1.0
