"""The histogram of the best 95 % of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from normscope.findings.summary import best_cells

if TYPE_CHECKING:
    from normscope.findings.scan_results import ScanResults

MOST_BINS = 20


@dataclass(frozen=True)
class BestCells:
    """What the histogram shows.

    Attributes:
        accuracies: Mean accuracy of each cell above the 5th percentile, shape ``(K,)``.
        cells: How many cells the grid has.
        test_images: How many images an accuracy is counted on; keeps it off 0 and 1.
        title: What was trained on what.
    """

    accuracies: np.ndarray
    cells: int
    test_images: int
    title: str


def best_cells_histogram(results: ScanResults) -> BestCells:
    """The numbers of the histogram."""
    trial, means = results.specification.trial, results.grid.mean("seed")
    return BestCells(
        accuracies=best_cells(means),
        cells=means.size,
        test_images=results.trials[0].result.test_images,
        title=f"The best 95 % of cells, {trial.model} on {trial.source}",
    )


def draw_best_cells(numbers: BestCells) -> Figure:
    """Draw the histogram on a logit axis, where errors near 1 keep their width."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    # An accuracy of 0 or 1 has no logit: half an image is the least that the test can tell.
    half_image = 0.5 / numbers.test_images
    values = np.clip(numbers.accuracies, half_image, 1 - half_image)
    logits = np.log(values / (1 - values))
    low, high = logits.min(), logits.max()
    margin = max(0.05 * (high - low), 0.05)
    bins = np.linspace(low - margin, high + margin, min(MOST_BINS, values.size) + 1)
    edges = 1 / (1 + np.exp(-bins))
    axes.set_xscale("logit")
    axes.hist(values, bins=list(edges), color="tab:blue", edgecolor="white")
    axes.axvline(values.mean(), color="tab:red", label=f"mean {values.mean():.4f}")
    ticks = 1 / (1 + np.exp(-np.linspace(bins[0], bins[-1], 6)))
    axes.set_xticks(ticks, [f"{tick:.4f}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(edges[0], edges[-1])
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(
        xlabel="test accuracy (logit axis)",
        ylabel="cells",
        title=f"{numbers.title} ({values.size} of {numbers.cells})",
    )
    axes.legend(frameon=False)
    return figure
