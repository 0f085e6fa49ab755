"""What images are resized to: a shorter side, or a height and a width."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from normscope.errors import NormscopeError
from normscope.images.pixels import MAX_PIXELS

LONGEST_SIDE = math.isqrt(MAX_PIXELS)
"""Of a square that is as large as an image may be."""


class Size(NamedTuple):
    """A height and a width.

    Attributes:
        height: In pixels.
        width: In pixels.

    Example:
        >>> str(Size(224, 160))
        '224x160'
    """

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"


def as_resize(value: int | str | tuple[int, ...] | list[int] | None) -> int | Size | None:
    """What ``--resize`` says.

    Args:
        value: A number of pixels, a text such as ``"256"`` or ``"224x160"``, or two numbers.

    Returns:
        The length of the shorter side; a height and a width; or None, which leaves the size.

    Raises:
        NormscopeError: If it is none of these.

    Example:
        >>> as_resize("256"), as_resize("224x160")
        (256, Size(height=224, width=160))
    """
    if value is None or type(value) is int:
        return value
    sides = re.split("[xX]", value) if isinstance(value, str) else value
    if isinstance(sides, list | tuple) and all(re.fullmatch("-?[0-9]+", str(s)) for s in sides):
        numbers = [int(side) for side in sides]
        if len(numbers) == 1 and isinstance(value, str):
            return numbers[0]
        if len(numbers) == 2:
            return Size(*numbers)
    raise NormscopeError(
        f"--resize must be the shorter side or HEIGHTxWIDTH in pixels, got {value!r}. "
        "Write it as 256 or 224x160."
    )


def check_length(option: str, length: int | Size | None) -> None:
    """Refuse a side without pixels, or with more than can be decoded.

    Args:
        option: Such as ``--resize``.
        length: Its value, in pixels.

    Raises:
        NormscopeError: If a side is too short or too long.
    """
    sides = () if length is None else length if isinstance(length, Size) else (length,)
    if any(side < 1 for side in sides):
        raise NormscopeError(
            f"{option} must be at least 1 pixel, got {length}. Give a larger number."
        )
    if any(side > LONGEST_SIDE for side in sides):
        raise NormscopeError(
            f"{option} must be at most {LONGEST_SIDE} pixels, got {length}. Give a smaller number."
        )


def shorter_side(resize: int | Size) -> int:
    """The shorter side of what is resized.

    Args:
        resize: As of ``as_resize``.

    Returns:
        In pixels.
    """
    return min(resize) if isinstance(resize, Size) else resize
