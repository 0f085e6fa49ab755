"""One axis of a grid: the values that a study tries."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMS = "START:STOP:COUNT, START:STOP:COUNT:log or a comma list"

MOST_VALUES = 10_000
"""Of one axis; a grid of more is a slip of the keyboard."""


@dataclass(frozen=True)
class Axis:
    """The values of one axis, increasing.

    Attributes:
        name: ``"mean"`` or ``"std"``, or of one channel such as ``"mean-r"``.
        values: At least one, all finite and different.
        log: Whether they are spaced by a constant factor.
        text: How the user wrote it.
    """

    name: str
    values: tuple[float, ...]
    log: bool
    text: str

    @classmethod
    def parse(cls, name: str, text: str) -> Axis:
        """Read ``START:STOP:COUNT``, ``START:STOP:COUNT:log`` or a comma list.

        A comma list may end in ``:log`` as well, which spaces nothing and says how to draw it.

        Returns:
            The axis; its first and last value are START and STOP to the last bit.

        Raises:
            NormscopeError: If the text has none of these forms, the axis is too long or too wide,
                or a log one touches zero.

        Example:
            >>> Axis.parse("std", "0.1:10:3:log").values
            (0.1, 1.0, 10.0)
        """
        listed = text.removesuffix(":log")
        spaced, log = ":" in listed, listed != text
        try:
            values = _spaced(listed) if spaced else [float(part) for part in listed.split(",")]
        except ValueError:
            raise NormscopeError(
                f"axis --{name} must be {FORMS}, got '{text}'. Write it like -2:3:15, "
                "0.05:1:5:log or 0,0.5,1."
            ) from None
        if not all(math.isfinite(v) for v in values):
            raise NormscopeError(
                f"axis --{name} must hold finite values, got '{text}'. Give finite bounds."
            )
        if log and min(values) <= 0:
            raise NormscopeError(
                f"a log axis must stay above 0, got --{name} {text}. "
                "Start above 0 or leave out ':log'."
            )
        if spaced and values[2] > MOST_VALUES:
            raise NormscopeError(
                f"axis --{name} must hold at most {MOST_VALUES} values, got '{text}'. Take fewer."
            )
        if spaced and not math.isfinite(values[1] - values[0]):
            raise NormscopeError(
                f"axis --{name} must span less than floats can hold, got '{text}'. "
                "Give closer bounds."
            )
        if spaced and log:
            inner = np.geomspace(values[0], values[1], int(values[2]))
        elif spaced:
            inner = np.linspace(values[0], values[1], int(values[2]))
        else:
            inner = np.asarray(values)
        if spaced:
            inner[0], inner[-1] = values[0], values[1] if len(inner) > 1 else values[0]
        numbers = tuple(sorted({float(v) for v in inner}))
        if len(numbers) != len(inner):
            raise NormscopeError(
                f"axis --{name} must hold different values, got '{text}', which repeats some. "
                "Name each value once."
            )
        return cls(name, numbers, log, text)

    @classmethod
    def of(cls, name: str, values: Iterable[float], *, log: bool) -> Axis:
        """An axis of given values, to the last bit.

        Args:
            name: What it is called.
            values: At least one, all finite and different.
            log: Whether it is drawn on a log scale; then all are above 0.

        Returns:
            The axis, whose text is read back as the same values.

        Example:
            >>> Axis.of("std", [0.1, 1.0], log=True).text
            '0.1,1.0:log'
        """
        return cls.parse(name, ",".join(map(repr, sorted(values))) + ":log" * log)


def _spaced(text: str) -> list[float]:
    first, last, number = text.split(":")
    start, stop, count = float(first), float(last), int(number)
    if count < 1 or (count == 1 and start != stop):
        raise ValueError(text)
    return [start, stop, count]
