"""What a scan proves: failures, losses, speed, shares, the tolerance, and one word for it all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from normscope.arguments import for_caller
from normscope.errors import NormscopeError
from normscope.findings.answer import answer
from normscope.findings.by_axis import leading, slices
from normscope.findings.cell_findings import cell_findings
from normscope.findings.comparison import Means, means
from normscope.findings.data_units import DataUnits, data_units
from normscope.findings.failures import TOLERATED
from normscope.findings.image_noise import independent_images, shared_images
from normscope.findings.judging import Asked, judged
from normscope.findings.losses import Losses, losses, seeds_to_resolve
from normscope.findings.scan_findings import Findings
from normscope.findings.tolerance import CellStates, Tolerance, tolerance
from normscope.findings.variance_shares import Share, variance_shares
from normscope.margin import MARGIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.findings.image_noise import ImageNoise
    from normscope.findings.trial_table import TrialTable
    from normscope.normalization import Normalization
    from normscope.studies.axis import Axis


def findings(
    table: TrialTable,
    data: Normalization,
    axes: Sequence[Axis],
    margin: float | None = None,
    reference: Normalization | None = None,
) -> Findings:
    """Draw every conclusion from a study's table.

    Args:
        table: Its trials by cell and seed, at least one cell.
        data: The images' own mean and std.
        axes: The grid's.
        margin: The largest loss that does not matter; by default that of ``judged``.
        reference: What cells are compared with; the images' own statistics by default, and where
            these were not tried with every seed, or none of their trainings learned, the nearest
            cell of which some did.

    Returns:
        The findings.

    Raises:
        NormscopeError: If the margin is not between 0 and 1, or the reference was not tried.
    """
    if margin is not None and not 0 < margin < 1:
        raise NormscopeError(f"--margin must be > 0 and < 1, got {margin:g}. Give it like 0.002.")
    units = [data_units(n, data) for n in table.normalizations]
    usual = np.array([u.usual for u in units])
    row = _reference_row(table, units, data, reference)
    usual[row] = True
    # What else was tried beside the grid, such as no normalization, nobody asked about.
    asked = np.arange(len(usual)) < table.cells
    asked[row] = True
    noise = _noise(table)
    rows = _means(table, noise)
    lost = None if rows is None else losses(rows, row)
    enough = rows is not None and rows.enough
    lines = [mask for masks in slices(table, axes).values() for mask in masks]
    proved = judged(
        table,
        Asked(usual & asked, ~usual & asked, lines),
        rows if enough else None,
        row,
        margin,
    )
    limit = proved.margin
    cells = cell_findings(table, units, rows, row, limit, lost, noise)
    allowed = None
    if [axis.name for axis in axes] == ["mean", "std"] and lost is not None and enough:
        allowed = _tolerance(table, axes, table.normalizations[row], lost, limit)
    shares = _shares(table, axes, noise)
    found = Findings(
        verdict=proved.word,
        answer="",
        margin=limit,
        resolution=proved.resolution,
        seeds=table.seeds,
        exact=table.exact,
        data=data,
        reference=table.normalizations[row],
        shares=shares,
        leading=leading(table, axes, shares),
        cells=cells,
        grid_cells=table.cells,
        usual=proved.usual,
        edges=proved.edges,
        tolerance=allowed,
        seeds_to_settle=seeds_to_resolve(rows, row, usual & asked, table.test_images, MARGIN)
        if rows and enough
        else None,
        left_to_images=proved.left_to_images,
    )
    return replace(found, answer=for_caller(answer(found, table)))


def _noise(table: TrialTable) -> ImageNoise | None:
    if not table.seeds:
        return None
    if table.correct is None:
        return independent_images(table.accuracies, table.test_images)
    return shared_images(table.correct, table.learned)


def _means(table: TrialTable, noise: ImageNoise | None) -> Means | None:
    """The rows' means with their noise; None where one seed, or one row, leaves it unknown."""
    if noise is None or len(table.normalizations) < 2 or (table.seeds < 2 and not table.exact):
        return None
    return means(table.accuracies, noise, table.learned, exact=table.exact)


def _shares(
    table: TrialTable, axes: Sequence[Axis], noise: ImageNoise | None
) -> dict[str, Share] | None:
    """The shares among the cells of which every training learned."""
    if noise is None or table.exact:
        return None
    grid = np.arange(len(table.normalizations)) < table.cells
    kept = grid & table.learned.all(axis=1)
    if kept.sum() < 2:
        return None
    shape = [len(axis.values) for axis in axes]
    places = np.stack(np.unravel_index(np.flatnonzero(kept), shape), axis=1)
    own = (
        independent_images(table.accuracies[kept], table.test_images)
        if table.correct is None
        else shared_images(table.correct[kept])
    )
    return variance_shares(table.accuracies[kept], places.tolist(), [a.name for a in axes], own)


def _tolerance(
    table: TrialTable, axes: Sequence[Axis], at: Normalization, lost: Losses, margin: float
) -> Tolerance:
    mean, std = (np.array(axis.values) for axis in axes)
    count = table.cells
    trainings = np.maximum(table.trainings[:count], 1)
    often = table.failures[:count] / trainings > TOLERATED
    unknown = np.isnan(lost.bound[:count])
    fine = ~unknown & ~often & (np.nan_to_num(lost.bound[:count], nan=1.0) <= margin)
    states = (fine, often | unknown, lost.least[:count] > 0, lost.bound[:count])
    shape = (len(mean), len(std))
    return tolerance(
        CellStates(*(state.reshape(shape) for state in states)),
        (mean, std),
        (float(np.mean(at.mean)), float(np.mean(at.std))),
    )


def _reference_row(
    table: TrialTable,
    units: list[DataUnits],
    data: Normalization,
    reference: Normalization | None,
) -> int:
    alive = table.some_learned if table.seeds else table.failures < table.trainings
    row = table.row(reference or data)
    if row is not None and (reference is not None or alive[row] or not alive.any()):
        return row
    if reference is not None:
        raise NormscopeError(
            f"--reference must be a cell of the grid, data or none, got {reference}, which was not "
            "tried with every seed. Choose one of the grid's values."
        )
    far = [abs(u.distance) + abs(np.log(u.factor)) for u in units]
    return int(np.argmin(np.where(alive | ~alive.any(), far, np.inf)))
