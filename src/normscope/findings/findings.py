"""What a scan proves: shares, differences, the plateau, the tolerance, and what is still open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.errors import NormscopeError
from normscope.findings.comparison import (
    Differences,
    Means,
    compared,
    means,
    plateau,
)
from normscope.findings.paired import ERROR_RATE, MARGIN, Verdict
from normscope.findings.seeds_needed import seeds_to_tell
from normscope.findings.shares import Share, variance_shares
from normscope.findings.tolerance import Tolerance, tolerance

if TYPE_CHECKING:
    from normscope.findings.trial_table import TrialTable
    from normscope.normalization import Normalization
    from normscope.studies.specification import ScanSpec

SETTLED = 0.9
"""Of the open cells; the last few may lie so near the margin that no number of seeds tells."""


@dataclass(frozen=True)
class CellFinding:
    """One cell, or a reference off the grid.

    Attributes:
        normalization: Its mean and std.
        accuracy: Mean over seeds.
        seeds: Accuracy by seed.
        se: Standard error over seeds, moderated by the other cells.
        difference: From the reference, over shared seeds.
        low: Lower end of the difference's 95 % interval.
        high: Upper end.
        seed_se: Standard error of the difference by the seeds.
        images_se: Standard error that only more test images would lower.
        images_variance: Of the accuracy itself, that only more test images would lower.
        verdict: Against the reference, corrected for the number of cells.
        plateau: Whether it is proved to be within the margin of the best.
    """

    normalization: Normalization
    accuracy: float
    seeds: tuple[float, ...]
    se: float
    difference: float
    low: float
    high: float
    seed_se: float
    images_se: float
    images_variance: float
    verdict: Verdict
    plateau: bool

    def to_json(self) -> dict[str, Any]:
        """Every field by name.

        Returns:
            A mapping of plain values.
        """
        fields = {**vars(self), **self.normalization.to_json(), "seeds": list(self.seeds)}
        del fields["normalization"]
        return fields


@dataclass(frozen=True)
class Findings:
    """What a scan proves.

    Attributes:
        margin: The largest difference that does not matter.
        seeds: How many seeds every cell has.
        exact: Whether nothing is drawn at random, as with a frozen network.
        reference: What cells are compared with.
        shares: Of the variance, by component; None where nothing varies.
        cells: One per cell, std varying fastest, then one per reference off the grid.
        grid_cells: How many of them are cells of the grid.
        plateau: How many cells are proved to be within the margin of the best.
        below: How many are proved to lose more than the margin against the reference.
        tolerance: How far the reference may be moved; None where the grid's axes are not mean and
            std.
        seeds_for_plateau: How many seeds in all would settle nine tenths of the open cells; None
            where none is open, or 1,000 would not do.
    """

    margin: float
    seeds: int
    exact: bool
    reference: Normalization
    shares: dict[str, Share] | None
    cells: tuple[CellFinding, ...]
    grid_cells: int
    plateau: int
    below: int
    tolerance: Tolerance | None
    seeds_for_plateau: int | None

    def to_json(self) -> dict[str, Any]:
        """Every field by name.

        Returns:
            A mapping of plain values.
        """
        shares = self.shares
        return {
            **vars(self),
            "reference": self.reference.to_json(),
            "shares": shares and {name: vars(share) for name, share in shares.items()},
            "cells": [cell.to_json() for cell in self.cells],
            "tolerance": self.tolerance and self.tolerance.to_json(),
        }


def findings(
    specification: ScanSpec,
    table: TrialTable,
    margin: float = MARGIN,
    reference: Normalization | None = None,
) -> Findings | None:
    """Draw every conclusion from a study's table.

    Args:
        specification: The scan.
        table: Its trials by cell and seed.
        margin: The largest difference that does not matter.
        reference: What cells are compared with; the source's own statistics by default, and where
            these were not tried with every seed, the grid's cell nearest to them.

    Returns:
        The findings, or None with fewer than two seeds or cells, when the noise is unknown.

    Raises:
        NormscopeError: If the margin is not above 0, or the reference was not tried.
    """
    if not margin > 0:
        raise NormscopeError(f"--margin must be > 0, got {margin:g}. Give it like 0.002.")
    if (table.seeds < 2 and not table.exact) or table.cells < 2:
        return None
    row = _reference_row(specification, table, reference)
    rows = means(table.accuracies, table.noise, exact=table.exact)
    cells = rows.first(table.cells)
    on_plateau = plateau(cells, margin)
    differences = rows.differences(row)
    at = table.normalizations[row]
    lost = differences.p_below(-margin)[: table.cells] <= ERROR_RATE / table.cells
    return Findings(
        margin=margin,
        seeds=table.seeds,
        exact=table.exact,
        reference=at,
        shares=variance_shares(table.accuracies[: table.cells], table.cell_noise),
        cells=_cells(table, rows, differences, compared(rows, row, margin), on_plateau),
        grid_cells=table.cells,
        plateau=int(on_plateau.sum()),
        below=int(lost.sum()) if rows.enough else 0,
        tolerance=_tolerance(specification, rows, row, at, margin),
        seeds_for_plateau=_seeds_for_plateau(cells, on_plateau, margin),
    )


def _tolerance(
    specification: ScanSpec, rows: Means, row: int, at: Normalization, margin: float
) -> Tolerance | None:
    if [axis.name for axis in specification.axes] != ["mean", "std"]:
        return None
    mean, std = (np.array(axis.values) for axis in specification.axes)
    place = (float(np.mean(at.mean)), float(np.mean(at.std)))
    return tolerance(rows, (mean, std), row, place, margin)


def _reference_row(
    specification: ScanSpec, table: TrialTable, reference: Normalization | None
) -> int:
    row = table.row(reference or specification.data)
    if row is not None:
        return row
    if reference is not None:
        raise NormscopeError(
            f"--reference must be a cell of the grid, data or none, got {reference}, which was not "
            "tried with every seed. Choose one of the grid's values."
        )
    mean, std = np.mean(specification.data.mean), np.mean(specification.data.std)
    distances = [
        abs(np.mean(n.mean) - mean) + abs(np.log(np.mean(n.std) / std))
        for n in table.normalizations[: table.cells]
    ]
    return int(np.argmin(distances))


def _cells(
    table: TrialTable,
    rows: Means,
    differences: Differences,
    verdicts: list[Verdict],
    on_plateau: np.ndarray,
) -> tuple[CellFinding, ...]:
    low, high = differences.interval()
    return tuple(
        CellFinding(
            normalization=n,
            accuracy=float(rows.mean[k]),
            seeds=tuple(float(v) for v in table.accuracies[k]),
            se=float(np.sqrt(rows.seed_variance[k])),
            difference=float(differences.value[k]),
            low=float(low[k]),
            high=float(high[k]),
            seed_se=float(differences.seed_se[k]),
            images_se=float(differences.images_se[k]),
            images_variance=float(rows.shared[k, k]),
            verdict=verdicts[k],
            plateau=k < table.cells and bool(on_plateau[k]),
        )
        for k, n in enumerate(table.normalizations)
    )


def _seeds_for_plateau(cells: Means, on_plateau: np.ndarray, margin: float) -> int | None:
    """Seeds that would settle nine tenths of the cells that are neither on nor off the plateau."""
    best = cells.differences(int(np.argmax(cells.mean)))
    rate = ERROR_RATE / len(cells.mean)
    off = best.p_below(-margin) <= rate
    open_ = np.flatnonzero(~on_plateau & ~off)
    if not open_.size:
        return None
    # The row of highest mean is itself open; its nearest rival stands for it at distance margin.
    needed = [
        seeds_to_tell(
            abs(float(best.value[k]) + margin),
            float(np.sqrt(2 * cells.seed_variance[k] * cells.seeds)),
            float(best.images_se[k]),
            rate,
        )
        or np.inf
        for k in open_
    ]
    wanted = np.quantile(needed, SETTLED, method="higher")
    return max(int(wanted), cells.seeds + 1) if np.isfinite(wanted) else None
