"""Which of the searched parameters matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping


def draw_search_importances(importance: Mapping[str, float]) -> Figure:
    """Draw a bar a parameter.

    Args:
        importance: Shares that add up to 1, as a search's summary has them.

    Returns:
        A figure, 6.4 inches wide.
    """
    figure = Figure(figsize=(6.4, 1.2 + 0.4 * len(importance)), layout="constrained")
    axes = figure.add_subplot()
    names = sorted(importance, key=importance.__getitem__)
    bars = axes.barh(names, [importance[name] for name in names], color="tab:blue")
    axes.bar_label(bars, [f"{importance[name]:.2f}" for name in names], padding=3)
    axes.set(xlabel="share in being among the best (PED-ANOVA)", xlim=(0, 1.08))
    return figure
