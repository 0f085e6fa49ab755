"""Where trainings begin to fail, of several studies on the same axes: the images' own units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, NullFormatter
from matplotlib.tri import Triangulation

from normscope.figures.map_panels import FACTOR, OFFSET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from normscope.findings.scan_findings import Findings

STYLES = (("#0072b2", "solid", "o"), ("#d55e00", "dashed", "s"), ("#009e73", "dotted", "^"),
          ("#cc79a7", "dashdot", "D"))  # fmt: skip
"""Of Okabe and Ito (https://jfly.uni-koeln.de/color/, 2008); lines and markers differ too."""

HALF = 0.5
"""The share of trainings that fail on the line."""


@dataclass(frozen=True)
class FailureBoundary:
    """One study's share of failures.

    Attributes:
        distance: How many of the images' stds the mean lies from theirs, shape ``(cells,)``.
        factor: The images' std over the std, of that shape.
        smooth: The share of trainings that fail as the smooth map has it; None where none or
            all failed, so that there is no boundary.
        failed: bool, whether a training failed there, of that shape.
    """

    distance: np.ndarray
    factor: np.ndarray
    smooth: np.ndarray | None
    failed: np.ndarray


def failure_boundary(found: Findings) -> FailureBoundary:
    """The numbers of one study."""
    cells = [cell for cell in found.cells[: found.grid_cells] if cell.trainings]
    smooth = [cell.smooth.share for cell in cells if cell.smooth is not None]
    return FailureBoundary(
        distance=np.array([cell.units.distance for cell in cells]),
        factor=np.array([cell.units.factor for cell in cells]),
        smooth=np.array(smooth) if smooth else None,
        failed=np.array([cell.failures > 0 for cell in cells], bool),
    )


def draw_failure_boundaries(studies: Mapping[str, FailureBoundary]) -> Figure:
    """Draw the lines on which half of the trainings fail over each other.

    Args:
        studies: At most four, by name.

    Returns:
        A figure of 6.4 by 5 inches, which can be read 390 pixels wide.
    """
    figure = Figure(figsize=(6.4, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.set_yscale("log")
    for k, ((name, study), style) in enumerate(zip(studies.items(), STYLES, strict=False)):
        (colour, line, marker), (x, y) = style, (study.distance, study.factor)
        # The later study's marks are larger, so that none hides another.
        mark: dict[str, Any] = {"marker": marker, "color": colour, "ms": 5 + 4 * k, "mfc": "none"}
        axes.plot(x, y, ".", color="0.7", ms=3)
        axes.plot(x[study.failed], y[study.failed], ls="", **mark)
        axes.plot([], [], ls=line, lw=2, label=name, **mark)
        drawable = len(np.unique(x)) > 1 and len(np.unique(y)) > 1
        if study.smooth is not None and drawable:
            # On the logarithm, as the axis has it: triangles of the raw factors would be slivers.
            triangles = Triangulation(x, y, Triangulation(x, np.log(y)).triangles)
            axes.tricontour(
                triangles, study.smooth, levels=[HALF], colors=colour, linestyles=line, linewidths=2
            )
    axes.plot([], [], ".", color="0.7", ms=3, label="tried, no run failed")
    # Contours leave no margin, which would cut the outermost marks.
    axes.margins(0.04)
    axes.use_sticky_edges = False
    axes.autoscale(tight=False)
    axes.axvline(0, color="0.6", lw=0.8)
    axes.axhline(1, color="0.6", lw=0.8)
    axes.set(
        xlabel=OFFSET,
        ylabel=FACTOR,
        title="Marks: some runs failed. Lines: half of the runs fail.",
    )
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    for text in figure.findobj(Text):
        text.set_fontsize(12)
    return figure
