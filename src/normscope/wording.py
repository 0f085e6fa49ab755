"""Numbers and counts as sentences have them: as many digits as they deserve."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError, printable
from normscope.rounding import fixed

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_DECIMALS = 4
"""Accuracies are counts of some hundred or thousand images: further digits say nothing."""

MOST_ERROR_DECIMALS = 6

PLAIN = (1e-4, 1e15)
"""Between these a number is written without an exponent: further zeros hide its digits."""

LONGEST = 300
"""Characters of a library's own error that are passed on."""


def check_at_least(least: int, number: int, name: str) -> None:
    """Refuse a whole number that is too small.

    Args:
        least: The smallest that is possible.
        number: What was met.
        name: What errors call it, such as ``"--trials"``.

    Raises:
        NormscopeError: If it is smaller.
    """
    if number < least:
        raise NormscopeError(
            f"{name} must be at least {least}, got {number}. Give a larger number."
        )


def counted(number: int, noun: str) -> str:
    """A number of things.

    Args:
        number: How many.
        noun: What one of them is called; its plural ends in s.

    Returns:
        Both, the noun in the right number.

    Example:
        >>> counted(1, "epoch"), counted(12000, "image")
        ('1 epoch', '12,000 images')
    """
    return f"{number:,} {plural(number, noun)}"


def duration(seconds: float) -> str:
    """A time in the unit that suits it.

    Returns:
        Seconds, minutes or hours.

    Example:
        >>> duration(90), duration(900), duration(9000)
        ('90 s', '15 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def plural(number: float, noun: str) -> str:
    """The name of some things.

    Args:
        number: How many.
        noun: What one of them is called; its plural ends in s.

    Returns:
        The noun in the right number.

    Example:
        >>> plural(1, "core"), plural(0.5, "core")
        ('core', 'cores')
    """
    return noun if number == 1 else f"{noun}s"


def gap(value: float) -> str:
    """A difference of accuracies with two significant digits, at most four decimals.

    Args:
        value: In [-1, 1].

    Returns:
        The number.

    Example:
        >>> gap(0.6149), gap(-0.03441), gap(0.00007)
        ('0.61', '-0.034', '0.0001')
    """
    if not value:
        return "0"
    decimals = min(MOST_DECIMALS, max(0, 1 - math.floor(math.log10(abs(value)))))
    return fixed(value, decimals)


def level(value: float, *others: float) -> str:
    """An accuracy with three decimals, or with four where those would hide a difference.

    Args:
        value: In [0, 1].
        others: What it is compared with.

    Returns:
        The number.

    Example:
        >>> level(0.95712), level(0.95712, 0.95701)
        ('0.957', '0.9571')
    """
    near = any(0 < abs(value - other) < 0.002 for other in others)
    return fixed(value, 4 if near else 3)


def share(value: float, images: int) -> str:
    """A share of some images, with no more decimals than one of them makes.

    Args:
        value: In [-1, 1].
        images: How many there are.

    Returns:
        The number.

    Example:
        >>> share(0.825, 200), share(0.825, 10000)
        ('0.825', '0.8250')
    """
    return fixed(value, min(MOST_DECIMALS, max(2, math.ceil(math.log10(images)))))


def percent(value: float) -> str:
    """A share in per cent with two significant digits, or as many as tell it from all.

    Args:
        value: At least 0, and 1 for all.

    Returns:
        The number and its unit.

    Example:
        >>> percent(0.0196), percent(0.145), percent(0.9972), percent(1)
        ('2 %', '15 %', '99.7 %', '100 %')
    """
    per_cent = 100 * value
    if not PLAIN[0] <= per_cent < PLAIN[1]:
        return f"{per_cent:.2g} %"
    decimals = 1 if per_cent >= 99 else max(0, 1 - math.floor(math.log10(per_cent)))
    text = fixed(value, decimals, 100)
    return f"{text.rstrip('0').rstrip('.') if decimals else text} %"


def span(interval: Sequence[float]) -> str:
    """An interval, with the decimals that its width deserves.

    Returns:
        ``LOW to HIGH``.

    Example:
        >>> span((0.88712, 0.97)), span((-0.00012, 0.0011))
        ('0.887 to 0.970', '-0.0001 to 0.0011')
    """
    decimals = 3 if interval[1] - interval[0] >= 0.01 else MOST_DECIMALS
    low, high = (fixed(end, decimals) for end in interval)
    return f"{low} to {high}"


def with_error(value: float, error: float) -> str:
    """A number with its standard error of two digits, both with the same decimals.

    Args:
        value: Any.
        error: Above 0.

    Returns:
        Both, with ``±`` between them.

    Example:
        >>> with_error(0.457889944, 0.0082008), with_error(-31.88, 123.4), with_error(0.5, 3e-10)
        ('0.4579 ± 0.0082', '-32 ± 123', '0.500000 ± 3e-10')
        >>> with_error(1.0361e-15, 1.7e-16), with_error(9.13e37, 5.4e35)
        ('1.04e-15 ± 1.7e-16', '9.130e+37 ± 5.4e+35')
    """
    largest = max(abs(value), error)
    if not PLAIN[0] <= largest < PLAIN[1]:
        digits = math.floor(math.log10(largest)) - math.floor(math.log10(error)) + 1
        return f"{value:.{min(digits, MOST_ERROR_DECIMALS)}e} ± {error:.1e}"
    decimals = max(0, 1 - math.floor(math.log10(error)))
    if decimals > MOST_ERROR_DECIMALS:
        return f"{value:.{MOST_ERROR_DECIMALS}f} ± {error:.2g}"
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def plain(value: float, decimals: int) -> str:
    """A number with so many decimals, or as many significant digits where those would hide it.

    Args:
        value: Any.
        decimals: How many.

    Returns:
        The number.

    Example:
        >>> plain(0.25, 6), plain(1.03605e-15, 6), plain(0.0, 6)
        ('0.250000', '1.03605e-15', '0.000000')
    """
    near = not value or PLAIN[0] <= abs(value) < PLAIN[1]
    return f"{value:.{decimals}{'f' if near else 'g'}}"


def channels_text(values: Sequence[float]) -> str:
    """A mean or std by channel, once where all channels have the same.

    Args:
        values: One per channel.

    Returns:
        The numbers with four significant digits.

    Example:
        >>> channels_text((0.5, 0.5, 0.5)), channels_text((0.485, 0.456, 0.406))
        ('0.5', '0.485, 0.456, 0.406')
    """
    return ", ".join(f"{v:.4g}" for v in (values[:1] if len(set(values)) == 1 else values))


def listed(words: Sequence[str], before_last: str = "and", most: int | None = None) -> str:
    """Words as an enumeration.

    Args:
        words: At least one.
        before_last: ``and`` or ``or``.
        most: So many are named and the others counted; None for all.

    Returns:
        Commas between them, and that word before the last.

    Example:
        >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"]), listed("abcd", most=2)
        ('a', 'a and b', 'a, b and c', 'a, b and 2 more')
    """
    more = [] if most is None or len(words) <= most else [f"{len(words) - most:,} more"]
    *first, last = [*words[:most], *more]
    return f"{', '.join(first)} {before_last} {last}" if first else last


def first_line(error: object) -> str:
    r"""The start of a library's error, in one line.

    Args:
        error: An exception or a text.

    Returns:
        Without a full stop, and without the addresses of objects.

    Example:
        >>> first_line(ValueError("malformed node: <ast.Dict object at 0x7ff8ac30dc90>.\nMore."))
        'malformed node: ast.Dict'
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = re.sub(r"<([\w.]+) object at 0x[0-9a-f]+>", r"\1", (lines or [type(error).__name__])[0])
    return printable(line[:LONGEST]).rstrip(". :")
