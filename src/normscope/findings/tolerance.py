"""How far mean and std may move from a reference without loss, and the digits they need."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_DIGITS = 6

End = Literal["grid", "failures", "loss", "open"]


@dataclass(frozen=True)
class ProvedRange:
    """Values of one parameter that keep the accuracy, all of them tested.

    Attributes:
        low: The lowest; the reference's own value where no lower one is proved.
        high: The highest.
        low_end: Why it ends there: ``"grid"`` (the grid does), ``"failures"`` (with the next value
            trainings fail), ``"loss"`` (the next value is proved to lose accuracy), or ``"open"``
            (it is not settled).
        high_end: Likewise.
        bound: The largest loss in it that cannot be excluded; None where no grid value is in it.
    """

    low: float
    high: float
    low_end: End
    high_end: End
    bound: float | None


@dataclass(frozen=True)
class Rectangle:
    """Means and stds that may be combined freely.

    Attributes:
        mean: The lowest and the highest mean.
        std: Likewise.
        bound: The largest loss in it that cannot be excluded.
    """

    mean: tuple[float, float]
    std: tuple[float, float]
    bound: float


@dataclass(frozen=True)
class Tolerance:
    """How far a reference may be moved.

    Attributes:
        reference: Its mean and std.
        at: The grid's mean and std nearest to it: ``mean`` moves at this std, ``std`` at this mean.
        mean: What mean alone may be.
        std: What std alone may be.
        together: The largest rectangle around the reference that is proved; None where none is.
        mean_digits: Significant digits of the mean that are enough; None where that is open.
        std_digits: Of the std.
    """

    reference: tuple[float, float]
    at: tuple[float, float]
    mean: ProvedRange
    std: ProvedRange
    together: Rectangle | None
    mean_digits: int | None
    std_digits: int | None


@dataclass(frozen=True)
class CellStates:
    """What is known of the grid's cells, each array of shape ``(means, stds)``.

    Attributes:
        fine: Proved to lose no more than the margin, with no more failures than one in twenty.
        fails: Trainings fail there.
        worse: Proved to lose accuracy.
        bound: The largest loss that cannot be excluded; NaN where nothing learned.
    """

    fine: np.ndarray
    fails: np.ndarray
    worse: np.ndarray
    bound: np.ndarray


def tolerance(
    states: CellStates, axes: tuple[np.ndarray, np.ndarray], at: tuple[float, float]
) -> Tolerance:
    """Walk outwards from the reference over cells that are fine.

    The cells' bounds hold for all of them at once, so any run or rectangle of them may be picked
    afterwards. Between grid values nothing is measured.

    Args:
        states: What is known of the cells.
        axes: The grid's means and stds, increasing.
        at: The reference's mean and std.

    Returns:
        What is proved.
    """
    means, stds = axes
    line = int(np.argmin(np.abs(means - at[0])))
    column = int(np.argmin(np.abs(np.log(stds) - math.log(at[1]))))
    mean = _range(means, at[0], CellStates(*(v[:, column] for v in vars(states).values())))
    std = _range(stds, at[1], CellStates(*(v[line] for v in vars(states).values())))
    return Tolerance(
        reference=at,
        at=(float(means[line]), float(stds[column])),
        mean=mean,
        std=std,
        together=_together(axes, (line, column), states),
        mean_digits=_digits(at[0], mean, 0.0),
        std_digits=_digits(at[1], std, 1.0),
    )


def _range(values: np.ndarray, start: float, states: CellStates) -> ProvedRange:
    down = [k for k in reversed(range(len(values))) if values[k] <= start]
    up = [k for k in range(len(values)) if values[k] >= start]
    low, low_end = _walk(down, states)
    high, high_end = _walk(up, states)
    inside = low + high
    return ProvedRange(
        low=min((float(values[k]) for k in low), default=start),
        high=max((float(values[k]) for k in high), default=start),
        low_end=low_end,
        high_end=high_end,
        bound=float(states.bound[inside].max()) if inside else None,
    )


def _walk(order: Sequence[int], states: CellStates) -> tuple[list[int], End]:
    passed: list[int] = []
    for k in order:
        if states.fine[k]:
            passed.append(k)
        else:
            end: End = "failures" if states.fails[k] else "loss" if states.worse[k] else "open"
            return passed, end
    return passed, "grid"


def _together(
    axes: tuple[np.ndarray, np.ndarray], centre: tuple[int, int], states: CellStates
) -> Rectangle | None:
    """The largest rectangle of fine cells around the reference, by its number of cells."""
    (i, j), (means, stds) = centre, axes
    if not states.fine[i, j]:
        return None
    bad = np.zeros((len(means) + 1, len(stds) + 1), int)
    bad[1:, 1:] = np.cumsum(np.cumsum(~states.fine, axis=0), axis=1)
    spans = [
        ((top, bottom), (left, right))
        for top in range(i + 1)
        for bottom in range(i, len(means))
        for left in range(j + 1)
        for right in range(j, len(stds))
        if bad[bottom + 1, right + 1] - bad[top, right + 1] - bad[bottom + 1, left] + bad[top, left]
        == 0
    ]
    (a, b), (c, d) = max(spans, key=lambda s: (s[0][1] - s[0][0] + 1) * (s[1][1] - s[1][0] + 1))
    return Rectangle(
        (float(means[a]), float(means[b])),
        (float(stds[c]), float(stds[d])),
        float(states.bound[a : b + 1, c : d + 1].max()),
    )


def _digits(value: float, proved: ProvedRange, without: float) -> int | None:
    """Significant digits that are enough; 0 where ``without`` would do, None where that is open."""
    if proved.low == proved.high:
        return None
    if proved.low <= without <= proved.high:
        return 0
    for digits in range(1, MOST_DIGITS + 1):
        if proved.low <= float(f"{value:.{digits}g}") <= proved.high:
            return digits
    return None
