"""Panels of a map, one below the other, with numbers in their cells and one legend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

MOST_NUMBERS = 64
"""Above this, numbers written into cells would overlap."""

FEWEST_FOR_CONTOURS = 7
"""Values an axis needs; through fewer cells a contour is a broken line that nobody measured."""

MOST_TICKS = (6, 8)
"""Across and upward."""

OFFSET, FACTOR = "(data's mean \N{MINUS SIGN} mean) / data's std", "data's std / std"
"""Labels of axes in the images' own units."""

WIDTH, HEIGHT = 6.4, 4.9
"""Inches of the figure, and of each panel: shown 390 pixels wide, its text can still be read."""


@dataclass(frozen=True)
class Panel:
    """One map.

    Attributes:
        title: What it shows.
        values: dims upward, then across; NaN in empty cells, which are hatched.
        texts: What is written into each cell, by row.
        limits: Where its colours begin and end.
        colours: The name of a colour map.
        empty: What the legend says of hatched cells.
    """

    title: str
    values: xr.DataArray
    texts: list[list[str]]
    limits: tuple[float, float]
    colours: str
    empty: str


def draw_panels(
    title: str,
    panels: list[Panel],
    marks: list[tuple[Any, str, str, str]],
    best: tuple[float, float] | None,
    own_units: tuple[float, float, float] | None,
) -> Figure:
    """Draw panels below each other.

    Args:
        title: Of the figure.
        panels: One or two over the same axes.
        marks: Points with their marker, colour and label.
        best: The centre of the cell to frame.
        own_units: ``a``, ``b`` and ``c`` of second axes ``a - b x`` and ``c / y``.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(WIDTH, HEIGHT * len(panels) + 0.6), layout="constrained")
    with mpl.rc_context({"font.size": 11}):
        figure.suptitle(title, fontsize=12)
        handles: dict[str, Any] = {}
        for k, panel in enumerate(panels):
            axes = figure.add_subplot(len(panels), 1, k + 1)
            _draw(axes, panel, best)
            for points, marker, colour, label in marks:
                if points:
                    (drawn,) = axes.plot(
                        *np.transpose(points), marker, ms=11, mfc="none", mec=colour, mew=2.5,
                        path_effects=[withStroke(linewidth=4.5, foreground="black")],
                    )  # fmt: skip
                    handles.setdefault(label, drawn)
            if own_units is not None:
                _second_axes(axes, *own_units)
            if np.isnan(panel.values).any():
                handles[panel.empty] = Patch(fc="0.85", ec="0.5", hatch="////")
        if best is not None:
            handles["highest accuracy"] = Patch(fc="none", ec="tab:red", lw=2.5)
        figure.legend(
            list(handles.values()), list(handles), loc="outside lower center", ncols=3,
            frameon=False, fontsize=10,
        )  # fmt: skip
    return figure


def _draw(axes: Axes, panel: Panel, best: tuple[float, float] | None) -> None:
    y, x = (str(dim) for dim in panel.values.dims)
    across, upward = panel.values[x].to_numpy(), panel.values[y].to_numpy()
    rows, log = panel.values.to_numpy(), y.startswith("std")
    widths = edges(across)
    heights = np.exp(edges(np.log(upward))) if log else edges(upward)
    axes.patch.set(facecolor="0.85", edgecolor="0.5", hatch="////")
    low, high = panel.limits
    mesh = axes.pcolormesh(
        widths, heights, np.ma.masked_invalid(rows), cmap=panel.colours, vmin=low, vmax=high
    )
    axes.set_yscale("log" if log else "linear")
    for axis, values, most in zip(
        (axes.xaxis, axes.yaxis), (across, upward), MOST_TICKS, strict=True
    ):
        ticks = values[:: -(-len(values) // most)]
        axis.set_ticks(ticks, [f"{v:.3g}".replace("-", "\N{MINUS SIGN}") for v in ticks])
        axis.set_minor_locator(NullLocator())
    if min(rows.shape) >= FEWEST_FOR_CONTOURS and high > low:
        lines = axes.contour(
            across, upward, np.ma.masked_invalid(rows), levels=np.linspace(low, high, 6)[1:-1],
            colors="black", linewidths=1, alpha=0.7,
        )  # fmt: skip
        axes.clabel(lines, fmt="%.3g", fontsize=9)
    if rows.size <= MOST_NUMBERS and WIDTH * 0.62 / len(across) > 0.075 * len(panel.texts[0][0]):
        _number(axes, across, upward, panel)
    if best is not None:
        i, j = int(np.argmin(abs(across - best[0]))), int(np.argmin(abs(upward - best[1])))
        corner = (widths[i], heights[j])
        axes.add_patch(
            Rectangle(
                corner,
                widths[i + 1] - corner[0],
                heights[j + 1] - corner[1],
                fill=False,
                ec="tab:red",
                lw=2.5,
                zorder=3,
                label="highest accuracy",
            )
        )
    axes.set(xlabel=x, ylabel=y)
    axes.set_title(panel.title, fontsize=11)
    below, above = bool((rows < low).any()), bool((rows > high).any())
    extend = {(True, False): "min", (False, True): "max", (True, True): "both"}
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.colorbar(mesh, ax=axes, extend=extend.get((below, above), "neither"), pad=0.02)


def _second_axes(axes: Axes, a: float, b: float, c: float) -> None:
    """The images' own units: how many of their stds the mean lies off, and the std's factor."""

    def offset(mean: Any) -> Any:
        return a - b * mean

    def mean(offset: Any) -> Any:
        return (a - offset) / b

    def factor(std: Any) -> Any:
        return c / np.maximum(std, 1e-9)

    top = axes.secondary_xaxis("top", functions=(offset, mean))
    top.set_xlabel(OFFSET, fontsize=10)
    top.xaxis.set_major_locator(MaxNLocator(5))
    # The factor's own inverse is the same: std is c / factor.
    right = axes.secondary_yaxis("right", functions=(factor, factor))
    right.set_ylabel(FACTOR, fontsize=10)
    places = axes.get_yticks()
    right.set_ticks(list(c / places), [f"{c / v:.2g}" for v in places])
    right.yaxis.set_minor_formatter(NullFormatter())
    right.yaxis.set_minor_locator(NullLocator())
    for second in (top, right):
        second.tick_params(labelsize=9)


def edges(centres: np.ndarray) -> np.ndarray:
    """Borders halfway between neighbouring centres."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    inner = (centres[:-1] + centres[1:]) / 2
    return np.concatenate([[2 * centres[0] - inner[0]], inner, [2 * centres[-1] - inner[-1]]])


def _number(axes: Axes, across: np.ndarray, upward: np.ndarray, panel: Panel) -> None:
    shade, scale = mpl.colormaps[panel.colours], Normalize(*panel.limits)
    for j, b in enumerate(upward):
        for i, a in enumerate(across):
            value = float(panel.values[j, i])
            if np.isnan(value):
                continue
            back = shade(scale(value))
            dark = 0.299 * back[0] + 0.587 * back[1] + 0.114 * back[2] < 0.5
            # Outlined and on top, so that a marker beneath it leaves it readable.
            axes.annotate(
                panel.texts[j][i], (a, b), ha="center", va="center", fontsize=10, zorder=5,
                color="white" if dark else "black",
                path_effects=[withStroke(linewidth=2.5, foreground=back)],
            )  # fmt: skip
