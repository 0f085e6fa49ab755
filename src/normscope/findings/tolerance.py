"""How far mean and std may move from a reference without loss, and the digits they need."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from normscope.findings.paired import ERROR_RATE
from normscope.findings.seeds_needed import seeds_to_tell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from normscope.findings.comparison import Means

DIRECTIONS = 4
MOST_DIGITS = 6

End = Literal["grid", "loss", "open"]


@dataclass(frozen=True)
class Range:
    """Values of one parameter that keep the accuracy.

    Attributes:
        low: The lowest; the reference's own value where no lower one is proved.
        high: The highest.
        low_end: Why it ends there: ``"grid"`` (the grid does), ``"loss"`` (the next value is proved
            to lose more than the margin), or ``"open"`` (not enough seeds to tell).
        high_end: Likewise.
        seeds: How many seeds in all would settle open ends; None where nothing is open, or where
            1,000 would not.
    """

    low: float
    high: float
    low_end: End
    high_end: End
    seeds: int | None

    @property
    def is_open(self) -> bool:
        """Whether an end waits for more seeds."""
        return "open" in (self.low_end, self.high_end)


@dataclass(frozen=True)
class Tolerance:
    """How far a reference may be moved.

    Attributes:
        reference: Its mean and std.
        at: The grid's mean and std nearest to it: ``mean`` moves at this std, ``std`` at this mean.
        mean: What mean alone may be.
        std: What std alone may be.
        together: Where both may lie at once: ``mean`` and ``std``, each a low and a high; None
            where no rectangle around the reference is proved.
        mean_digits: Significant digits of the mean that matter; None where that is open.
        std_digits: Of the std.
    """

    reference: tuple[float, float]
    at: tuple[float, float]
    mean: Range
    std: Range
    together: dict[str, tuple[float, float]] | None
    mean_digits: int | None
    std_digits: int | None

    def to_json(self) -> dict[str, Any]:
        """Every field by name.

        Returns:
            A mapping of plain values.
        """
        return {**vars(self), "mean": vars(self.mean), "std": vars(self.std)}


@dataclass(frozen=True)
class _Losses:
    """Cells against the reference, on the grid's axes, each of shape ``(means, stds)``."""

    p_kept: np.ndarray
    p_lost: np.ndarray
    distance: np.ndarray
    std: np.ndarray
    images_se: np.ndarray


def tolerance(
    rows: Means,
    axes: tuple[np.ndarray, np.ndarray],
    reference: int,
    at: tuple[float, float],
    margin: float,
) -> Tolerance:
    """Walk outwards from the reference until accuracy may be lost.

    A value keeps the accuracy if it is proved not to lose more than the margin; to gain is no loss.
    Each walk is one fixed sequence of tests, which stops at the first failure and so needs no
    correction for its length (Westfall and Krishen, J. Stat. Plan. Inference 99, 2001); the four
    directions share the 5 %. For both together the sequence is of growing rectangles, one grid step
    on all sides at a time, and a rectangle is proved if every cell in it is.

    Args:
        rows: The means, the cells first, std varying fastest.
        axes: The grid's means and stds, increasing.
        reference: The reference's row.
        at: Its mean and std.
        margin: The largest loss that does not matter.

    Returns:
        What is proved; nothing is, with too few seeds.
    """
    losses = _losses(rows, axes, reference, margin)
    means, stds = axes
    column = int(np.argmin(np.abs(np.log(stds) - math.log(at[1]))))
    line = int(np.argmin(np.abs(means - at[0])))
    mean = _range(means, at[0], _part(losses, (slice(None), column)), rows)
    std = _range(stds, at[1], _part(losses, (line, slice(None))), rows)
    return Tolerance(
        reference=at,
        at=(float(means[line]), float(stds[column])),
        mean=mean,
        std=std,
        together=_together(axes, (line, column), losses.p_kept, rows.enough),
        mean_digits=_digits(at[0], mean, 0.0),
        std_digits=_digits(at[1], std, 1.0),
    )


def _losses(
    rows: Means, axes: tuple[np.ndarray, np.ndarray], reference: int, margin: float
) -> _Losses:
    shape = (len(axes[0]), len(axes[1]))
    cells = shape[0] * shape[1]
    found = rows.differences(reference)
    return _Losses(
        *(
            values[:cells].reshape(shape)
            for values in (
                np.where(found.se > 0, found.p_above(-margin), 0.0),
                found.p_below(-margin),
                found.value + margin,
                found.seed_se * math.sqrt(rows.seeds),
                found.images_se,
            )
        )
    )


def _part(losses: _Losses, index: tuple[Any, Any]) -> _Losses:
    return _Losses(*(values[index] for values in vars(losses).values()))


def _range(values: np.ndarray, start: float, losses: _Losses, rows: Means) -> Range:
    ends = [
        _walk(values, order, start, losses, rows)
        for order in (
            [k for k in reversed(range(len(values))) if values[k] <= start],
            [k for k in range(len(values)) if values[k] >= start],
        )
    ]
    (low, low_end, low_seeds), (high, high_end, high_seeds) = ends
    needed = [n for n, end in ((low_seeds, low_end), (high_seeds, high_end)) if end == "open"]
    settled = [n for n in needed if n is not None]
    wanted = max(settled) if settled and len(settled) == len(needed) else None
    return Range(low, high, low_end, high_end, wanted)


def _walk(
    values: np.ndarray, order: Iterable[int], start: float, losses: _Losses, rows: Means
) -> tuple[float, End, int | None]:
    rate = ERROR_RATE / DIRECTIONS
    reached = start
    for k in order:
        if rows.enough and losses.p_kept[k] <= rate:
            reached = float(values[k])
        elif rows.enough and losses.p_lost[k] <= rate:
            return reached, "loss", None
        else:
            distance, std = abs(float(losses.distance[k])), float(losses.std[k])
            needed = seeds_to_tell(distance, std, float(losses.images_se[k]), rate)
            return reached, "open", needed and max(needed, rows.seeds + 1)
    return reached, "grid", None


def _together(
    axes: tuple[np.ndarray, np.ndarray], centre: tuple[int, int], p: np.ndarray, enough: bool
) -> dict[str, tuple[float, float]] | None:
    found = None
    if not enough:
        return None
    for steps in range(1, max(p.shape)):
        spans = [
            (max(0, c - steps), min(n - 1, c + steps)) for c, n in zip(centre, p.shape, strict=True)
        ]
        (i, j), (k, m) = spans
        if p[i : j + 1, k : m + 1].max() > ERROR_RATE:
            break
        found = {
            name: (float(axis[low]), float(axis[high]))
            for name, axis, (low, high) in zip(("mean", "std"), axes, spans, strict=True)
        }
    return found


def _digits(value: float, proved: Range, without: float) -> int | None:
    """The fewest significant digits that keep the accuracy; 0 where ``without`` would do."""
    if proved.low <= without <= proved.high:
        return 0
    for digits in range(1, MOST_DIGITS + 1):
        if proved.low <= float(f"{value:.{digits}g}") <= proved.high:
            # Fewer digits are ruled out only where the grid or a loss ends the range.
            return None if proved.is_open and proved.low == proved.high else digits
    return None
