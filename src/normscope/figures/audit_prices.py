"""What each usual mistake costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from normscope.wording import counted

if TYPE_CHECKING:
    from normscope.auditing.audit_numbers import Cost
    from normscope.auditing.audit_result import Audit

COSTS, OPEN, GAINS, TESTED = "#d55e00", "#8a939c", "#009e73", "#0072b2"
"""Vermilion, bluish green and blue of Okabe and Ito (https://jfly.uni-koeln.de/color/, 2008), which
colour-blind readers tell apart, and a grey; markers differ too."""


@dataclass(frozen=True)
class AuditPrices:
    """What the figure shows, worst first.

    Attributes:
        names: Of the mistakes; the pipeline under test, where there is one, is the last.
        prices: Accuracy lost, or disagreement without labels, shape ``(rows,)``.
        low: Lower ends of the 95 % intervals, same shape.
        high: Upper ends, same shape.
        tested: Whether the last row is a pipeline under test.
        axis: What a price is.
        title: What was audited.
    """

    names: list[str]
    prices: np.ndarray
    low: np.ndarray
    high: np.ndarray
    tested: bool
    axis: str
    title: str


def audit_prices(audit: Audit) -> AuditPrices:
    """The numbers of the figure."""
    rows = [(m.name, m.cost) for m in audit.mistakes if m.cost is not None]
    if audit.tested is not None:
        rows.append((audit.tested.name, audit.tested.cost))
    numbers = np.array([_price(cost) for _, cost in rows])
    return AuditPrices(
        names=[name for name, _ in rows],
        prices=numbers[:, 0],
        low=numbers[:, 1],
        high=numbers[:, 2],
        tested=audit.tested is not None,
        axis="accuracy lost" if audit.labelled else "share of images whose answer changes",
        title=f"{audit.model}, {counted(audit.images, 'image')}",
    )


def draw_audit_prices(numbers: AuditPrices) -> Figure:
    """Draw a price with its interval in each row, the worst on top, 8 inches wide."""
    rows = len(numbers.names)
    figure = Figure(figsize=(8, 1.9 + 0.3 * rows), layout="constrained")
    axes = figure.add_subplot()
    heights = np.arange(rows)[::-1]
    is_tested = np.zeros(rows, bool)
    is_tested[-1] = numbers.tested
    costs, gains = (numbers.low > 0) & ~is_tested, (numbers.high < 0) & ~is_tested
    kinds = (
        ("95 % interval above 0", costs, COSTS, "o"),
        ("95 % interval holds 0", ~costs & ~gains & ~is_tested, OPEN, "s"),
        ("95 % interval below 0", gains, GAINS, "^"),
        ("pipeline under test", is_tested, TESTED, "D"),
    )
    for label, chosen, colour, marker in kinds:
        if chosen.any():
            prices = numbers.prices[chosen]
            ends = np.abs(np.array([numbers.low[chosen], numbers.high[chosen]]) - prices)
            axes.errorbar(
                prices, heights[chosen], xerr=ends, fmt=marker, color=colour, capsize=2.5, ms=5,
                label=label,
            )  # fmt: skip
    axes.axvline(0, color="black", lw=0.8)
    if numbers.tested:
        axes.axhline(0.5, color="grey", lw=0.6, ls=":")
    axes.set_yticks(heights, [_shortened(name) for name in numbers.names])
    axes.set_ylim(-0.7, rows - 0.3)
    axes.grid(axis="x", alpha=0.3)
    axes.set(xlabel=numbers.axis, title=numbers.title)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def _price(cost: Cost) -> tuple[float, float, float]:
    if cost.lost is None or cost.interval is None:
        return (cost.disagreement, *cost.disagreement_interval)
    return (cost.lost, *cost.interval)


def _shortened(name: str) -> str:
    # A dollar sign would start a formula.
    return (name if len(name) <= 32 else f"…{name[-31:]}").replace("$", r"\$")
