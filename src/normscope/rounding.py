"""Numbers rounded as by hand: half of the last decimal goes up, and away from 0."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

LARGEST = 1e15
"""From here on a number is written as Python does."""


def fixed(value: float, decimals: int, factor: int = 1) -> str:
    """A number with so many decimals.

    Python rounds what a float holds in binary, by which 0.175 is 0.17 and 17.5 is 18.

    Args:
        value: Any.
        decimals: How many.
        factor: Multiplies it before; 100 for per cent.

    Returns:
        The number, without a minus where nothing else is left.

    Example:
        >>> fixed(0.175, 2), fixed(0.175, 0, 100), fixed(0.145, 0, 100), fixed(-0.0004, 3)
        ('0.18', '18', '15', '0.000')
    """
    if not abs(value) < LARGEST:
        return f"{factor * value:.{decimals}f}"
    # What a float says, not what it holds.
    said = factor * Decimal(repr(float(value)))
    text = f"{said.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP):f}"
    return text.removeprefix("-") if not float(text) else text
