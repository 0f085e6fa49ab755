"""What a search varies and between which bounds, and what it holds fixed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError, UnknownName
from normscope.studies.parameters import PARAMETERS, WHOLE_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from optuna import Trial
    from optuna.distributions import BaseDistribution

FORM = "NAME=LOW:HIGH or NAME=LOW:HIGH:log"


@dataclass(frozen=True)
class Range:
    """The bounds of one parameter.

    Attributes:
        name: In ``PARAMETERS``.
        low: The lower bound, itself possible.
        high: The upper bound, itself possible and above ``low``.
        log: Whether factors rather than differences count.
    """

    name: str
    low: float
    high: float
    log: bool = False

    @classmethod
    def parse(cls, text: str) -> Range:
        """Read ``NAME=LOW:HIGH`` or ``NAME=LOW:HIGH:log``.

        Returns:
            The range.

        Raises:
            UnknownName: If the name is no parameter's.
            NormscopeError: If the text has another form, or the range is empty, reversed, too wide
                or a log one that touches zero.

        Example:
            >>> Range.parse("std=0.05:1:log")
            Range(name='std', low=0.05, high=1.0, log=True)
        """
        name, equals, bounds = text.partition("=")
        parts = bounds.split(":")
        log = len(parts) == 3 and parts[2] == "log"
        if not equals or (len(parts) != 2 and not log):
            raise NormscopeError(f"--over must be {FORM}, got '{text}'. Write it like mean=-1:2.")
        low, high = (number_of("--over", text, name, part) for part in parts[:2])
        if low >= high:
            kind = "an empty" if low == high else "a reversed"
            raise NormscopeError(
                f"--over must have its low bound below its high one, got {kind} range '{text}'. "
                "Give the smaller number first, or fix the parameter with --at."
            )
        if not math.isfinite(high - low):
            raise NormscopeError(
                f"--over must span less than floats can hold, got '{text}'. Narrow the range."
            )
        if log and low <= 0:
            raise NormscopeError(
                f"a log range must stay above 0, got --over {text}. "
                "Start above 0 or leave out ':log'."
            )
        return cls(name, low, high, log)

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are possible."""
        return self.name in WHOLE_PARAMETERS

    def distribution(self) -> BaseDistribution:
        """The range as Optuna has it.

        Returns:
            An ``IntDistribution`` for whole numbers, else a ``FloatDistribution``.
        """
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)

    def suggest(self, trial: Trial) -> float:
        """Let a trial's sampler choose."""
        if self.whole:
            return trial.suggest_int(self.name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, log=self.log)

    def share(self, value: float) -> float:
        """Where a number lies in the range.

        Args:
            value: Within the bounds.

        Returns:
            0 at the low bound, 1 at the high one; by factors in a log range.

        Example:
            >>> Range("std", 0.01, 1.0, log=True).share(0.1)
            0.5
        """
        if self.log:
            # Differences of logarithms: a ratio of bounds far apart can overflow.
            low = math.log(self.low)
            return (math.log(value) - low) / (math.log(self.high) - low)
        return (value - self.low) / (self.high - self.low)

    def __str__(self) -> str:
        low, high = (repr(bound).removesuffix(".0") for bound in (self.low, self.high))
        return f"{self.name}={low}:{high}{':log' if self.log else ''}"


def parse_ranges(texts: Iterable[str]) -> tuple[Range, ...]:
    """Read every ``--over``.

    Args:
        texts: Each one range.

    Returns:
        The ranges, in the order of their names.

    Raises:
        NormscopeError: If there is none, or a parameter has two.
    """
    ranges = [Range.parse(text) for text in texts]
    if not ranges:
        raise NormscopeError(
            "a search must vary something, got no --over. Give --over mean=-1:2 or a --preset."
        )
    _once("--over", [range_.name for range_ in ranges])
    return tuple(sorted(ranges, key=lambda r: r.name))


def parse_fixed(texts: Iterable[str]) -> dict[str, float]:
    """Read every ``--at``.

    Args:
        texts: Each ``NAME=VALUE``, or several with commas.

    Returns:
        The numbers by name.

    Raises:
        NormscopeError: If a text has another form, or a parameter is given twice.

    Example:
        >>> parse_fixed(["mean=-1,std=0.1"])
        {'mean': -1.0, 'std': 0.1}
    """
    parts = [part for text in texts for part in text.split(",")]
    for part in parts:
        if "=" not in part:
            raise NormscopeError(
                f"--at must be NAME=VALUE with commas between several, got '{part}'. "
                "Write it like mean=-1,std=0.1."
            )
    pairs = [part.split("=", 1) for part in parts]
    _once("--at", [name for name, _ in pairs])
    return {name: number_of("--at", f"{name}={value}", name, value) for name, value in pairs}


def number_of(option: str, text: str, name: str, value: str) -> float:
    """The number that a user gives a parameter.

    Args:
        option: The option, for its errors.
        text: The whole of what the user wrote.
        name: The parameter's.
        value: The number's digits.

    Returns:
        A finite number.

    Raises:
        UnknownName: If the name is no parameter's.
        NormscopeError: If it is no number, or no whole one where that is needed.
    """
    if name not in PARAMETERS:
        raise UnknownName(f"{option}'s parameter", name, PARAMETERS)
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise NormscopeError(
            f"{option} must have finite numbers, got '{text}'. Give a number for '{value}'."
        )
    if name in WHOLE_PARAMETERS and number != int(number):
        raise NormscopeError(
            f"{name} must be a whole number, got {option} {text}. Give one for '{value}'."
        )
    return number


def _once(option: str, names: list[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise NormscopeError(
            f"{option} must name each parameter once, got {twice} more often. Leave all but one."
        )
