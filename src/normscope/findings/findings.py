"""What a scan proves: failures, losses, speed, shares, the tolerance, and one word for it all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.errors import NormscopeError
from normscope.findings.answer import answer
from normscope.findings.by_axis import Leading, leading, slices
from normscope.findings.comparison import Means, means
from normscope.findings.data_units import DataUnits, data_units
from normscope.findings.failure_map import failure_map
from normscope.findings.fates import TOLERATED, Interval, binomial_interval
from normscope.findings.image_noise import independent_images, shared_images
from normscope.findings.losses import Losses, losses, resolution, seeds_to_resolve
from normscope.findings.paired import MARGIN, Verdict
from normscope.findings.shares import Share, variance_shares
from normscope.findings.tolerance import CellStates, Tolerance, tolerance
from normscope.findings.verdict import Part, Word, part, word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.findings.image_noise import ImageNoise
    from normscope.findings.trial_table import TrialTable
    from normscope.normalization import Normalization
    from normscope.studies.axis import Axis


LARGEST_MARGIN = 0.05
"""No default is larger: nobody calls such a loss none, whatever a small study can resolve."""


@dataclass(frozen=True)
class CellFinding:
    """One cell, or a reference off the grid.

    Attributes:
        normalization: Its mean and std.
        units: The same in the images' own units.
        seeds: Accuracy by seed, of every training.
        learned: How many of them learned.
        trainings: How many trainings' fate is known, those of survival among them.
        failures: How many of them failed.
        failed: The share that fails, with its exact interval; None where no fate is known.
        smooth: The same as the whole grid's map has it; None where nothing or everything failed.
        accuracy: Mean over the trainings that learned; None where none did.
        se: Its standard error; None where that is unknown.
        difference: From the reference, over shared seeds.
        low: Lower end of the difference's 95 % interval.
        high: Upper end.
        images_variance: Of the accuracy, that only more test images would lower.
        verdict: Against the reference, corrected for the number of cells.
        loss_bound: The largest loss against the reference that cannot be excluded (one-sided 95 %,
            all rows at once).
    """

    normalization: Normalization
    units: DataUnits
    seeds: tuple[float, ...]
    learned: int
    trainings: int
    failures: int
    failed: Interval | None
    smooth: Interval | None
    accuracy: float | None
    se: float | None
    difference: float | None
    low: float | None
    high: float | None
    images_variance: float
    verdict: Verdict
    loss_bound: float | None

    def to_json(self) -> dict[str, Any]:
        """Every field by name, intervals by their ends.

        Returns:
            A mapping of plain values.
        """
        fields = {**vars(self), **self.normalization.to_json(), **vars(self.units)}
        for name in ("normalization", "units", "failed", "smooth"):
            del fields[name]
        fields["seeds"] = list(self.seeds)
        for name, interval in (("failed", self.failed), ("smooth", self.smooth)):
            low, high = (None, None) if interval is None else (interval.low, interval.high)
            share = None if interval is None else interval.share
            fields.update({name: share, f"{name}_low": low, f"{name}_high": high})
        return fields


@dataclass(frozen=True)
class Findings:
    """What a scan proves.

    Attributes:
        verdict: Whether the normalization matters: yes, no, only at the edges, or not settled.
        answer: The same in one sentence, which says what to do.
        margin: The largest loss that does not matter.
        resolution: The loss that the study can exclude; None where it cannot exclude any.
        seeds: How many seeds every cell was trained with to the end.
        exact: Whether nothing is drawn at random, as with a frozen network.
        data: The images' own mean and std.
        reference: What cells are compared with.
        shares: Of the variance of those that learned, by component; None where nothing varies.
        leading: The axis that most of it goes with; None where there is none.
        cells: One per cell, std varying fastest, then one per reference off the grid.
        grid_cells: How many of them are cells of the grid.
        usual: What is proved of the normalizations that people use.
        edges: What is proved of the others.
        tolerance: How far the reference may be moved; None where the axes are not mean and std.
        seeds_to_settle: How many seeds would resolve 0.002; None where no number of seeds would.
    """

    verdict: Word
    answer: str
    margin: float
    resolution: float | None
    seeds: int
    exact: bool
    data: Normalization
    reference: Normalization
    shares: dict[str, Share] | None
    leading: Leading | None
    cells: tuple[CellFinding, ...]
    grid_cells: int
    usual: Part
    edges: Part
    tolerance: Tolerance | None
    seeds_to_settle: int | None

    @property
    def at_reference(self) -> CellFinding:
        """The row that the others are compared with."""
        return next(cell for cell in self.cells if cell.normalization == self.reference)

    def to_json(self) -> dict[str, Any]:
        """Every field by name.

        Returns:
            A mapping of plain values.
        """
        shares = self.shares
        fields = {
            **vars(self),
            "data": self.data.to_json(),
            "reference": self.reference.to_json(),
            "shares": shares and {name: vars(share) for name, share in shares.items()},
            "leading": self.leading and vars(self.leading),
            "cells": [cell.to_json() for cell in self.cells],
            "tolerance": self.tolerance and self.tolerance.to_json(),
        }
        return {name: value for name, value in fields.items() if name not in {"usual", "edges"}}


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
        margin: The largest loss that does not matter; by default 0.002, or what the study can
            resolve where that is more, up to 0.05.
        reference: What cells are compared with; the images' own statistics by default, and where
            these were not tried with every seed, or none of their trainings learned, the nearest
            cell of which some did.

    Returns:
        The findings.

    Raises:
        NormscopeError: If the margin is not above 0, or the reference was not tried.
    """
    if margin is not None and not margin > 0:
        raise NormscopeError(f"--margin must be > 0, got {margin:g}. Give it like 0.002.")
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
    resolved = resolution(rows, row, usual & asked, table.test_images) if rows and enough else None
    limit = margin or min(max(MARGIN, resolved or 0.0), LARGEST_MARGIN)
    lines = [mask for masks in slices(table, axes).values() for mask in masks]
    core, edges = (
        part(table, mask, lines, lost if enough else None, limit)
        for mask in (usual & asked, ~usual & asked)
    )
    cells = _cells(table, units, rows, row, limit, lost, noise)
    said = word(table, core, edges)
    allowed = None
    if [axis.name for axis in axes] == ["mean", "std"] and lost is not None and enough:
        allowed = _tolerance(table, axes, table.normalizations[row], lost, limit)
    shares = _shares(table, axes, noise)
    found = Findings(
        verdict=said,
        answer="",
        margin=limit,
        resolution=resolved,
        seeds=table.seeds,
        exact=table.exact,
        data=data,
        reference=table.normalizations[row],
        shares=shares,
        leading=leading(table, axes, shares),
        cells=cells,
        grid_cells=table.cells,
        usual=core,
        edges=edges,
        tolerance=allowed,
        seeds_to_settle=seeds_to_resolve(rows, row, usual & asked, table.test_images, MARGIN)
        if rows and enough
        else None,
    )
    return Findings(**{**vars(found), "answer": answer(found, table)})


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


def _cells(
    table: TrialTable,
    units: list[DataUnits],
    rows: Means | None,
    reference: int,
    margin: float,
    lost: Losses | None,
    noise: ImageNoise | None,
) -> tuple[CellFinding, ...]:
    count = len(table.normalizations)
    unknown = np.full(count, np.nan)
    difference = low = high = se = unknown
    verdicts: list[Verdict] = ["open"] * count
    mean = np.array([_mean(table, k) for k in range(count)])
    if rows is not None:
        found = rows.differences(reference)
        difference, (low, high), se = found.value, found.interval(), rows.standard_error
    if rows is not None and lost is not None and rows.enough:
        verdicts = lost.verdicts(margin)
    smooth = _smooth(table, units)
    return tuple(
        CellFinding(
            normalization=n,
            units=units[k],
            seeds=tuple(float(v) for v in table.accuracies[k]),
            learned=int(table.learned[k].sum()),
            trainings=int(table.trainings[k]),
            failures=int(table.failures[k]),
            failed=binomial_interval(int(table.failures[k]), int(table.trainings[k]))
            if table.trainings[k]
            else None,
            smooth=None if smooth is None else smooth[k],
            accuracy=_known(mean[k]),
            se=_known(se[k]) if not np.isnan(mean[k]) else None,
            difference=_known(difference[k]),
            low=_known(low[k]),
            high=_known(high[k]),
            images_variance=0.0 if noise is None else float(noise.shared[k, k]),
            verdict=verdicts[k],
            loss_bound=None if lost is None else _known(lost.bound[k]),
        )
        for k, n in enumerate(table.normalizations)
    )


def _mean(table: TrialTable, row: int) -> float:
    learned = table.learned[row]
    return float(table.accuracies[row][learned].mean()) if learned.any() else float("nan")


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _smooth(table: TrialTable, units: list[DataUnits]) -> list[Interval] | None:
    """Every row's share of failures as a smooth map over offset and contrast has it."""
    places = np.array([[u.distance, np.log(u.factor)] for u in units])
    spread = np.ptp(places, axis=0)
    places = (places - places.min(axis=0)) / np.where(spread > 0, spread, 1)
    fitted = failure_map(places, table.failures, table.trainings)
    if fitted is None:
        return None
    ends = zip(fitted.share, fitted.low, fitted.high, strict=True)
    return [Interval(float(share), float(low), float(high)) for share, low, high in ends]
