"""What is known of each normalization by itself, one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.findings.failures import binomial_interval, failure_map

if TYPE_CHECKING:
    from normscope.findings.comparison import Means, Verdict
    from normscope.findings.data_units import DataUnits
    from normscope.findings.failures import Interval
    from normscope.findings.image_noise import ImageNoise
    from normscope.findings.losses import Losses
    from normscope.findings.trial_table import TrialTable
    from normscope.normalization import Normalization


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
        """Every field by name, intervals by their ends."""
        fields = {**vars(self), **self.normalization.to_json(), **vars(self.units)}
        for name in ("normalization", "units", "failed", "smooth"):
            del fields[name]
        fields["seeds"] = list(self.seeds)
        for name, interval in (("failed", self.failed), ("smooth", self.smooth)):
            low, high = (None, None) if interval is None else (interval.low, interval.high)
            share = None if interval is None else interval.share
            fields.update({name: share, f"{name}_low": low, f"{name}_high": high})
        return fields


def cell_findings(
    table: TrialTable,
    units: list[DataUnits],
    rows: Means | None,
    reference: int,
    margin: float,
    lost: Losses | None,
    noise: ImageNoise | None,
) -> tuple[CellFinding, ...]:
    """What is known of every row of a table, one by one.

    Args:
        table: The trainings.
        units: Every row in the images' own units.
        rows: The rows' means; None where noise is unknown.
        reference: The row that the others are compared with.
        margin: The largest loss that does not matter.
        lost: The rows' losses; None where they are unknown.
        noise: What the draw of the test images adds; None where no seed is whole.

    Returns:
        One a row, in the table's order.
    """
    count = len(table.normalizations)
    unknown = np.full(count, np.nan)
    difference = low = high = se = unknown
    verdicts: list[Verdict] = ["open"] * count
    if rows is not None:
        found = rows.differences(reference)
        difference, (low, high), se = found.value, found.interval(), rows.standard_error
    if rows is not None and lost is not None and rows.enough:
        verdicts = lost.verdicts(margin)
    smooth = _smooth(table, units)
    images_variance = np.zeros(count) if noise is None else noise.shared.diagonal
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
            accuracy=_known(table.mean[k]),
            se=_known(se[k]) if not np.isnan(table.mean[k]) else None,
            difference=_known(difference[k]),
            low=_known(low[k]),
            high=_known(high[k]),
            images_variance=float(images_variance[k]),
            verdict=verdicts[k],
            loss_bound=None if lost is None else _known(lost.bound[k]),
        )
        for k, n in enumerate(table.normalizations)
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _smooth(table: TrialTable, units: list[DataUnits]) -> list[Interval] | None:
    """Every row's share of failures as a smooth map over offset and contrast has it."""
    places = np.array([[u.distance, np.log(u.factor)] for u in units])
    spread = np.ptp(places, axis=0)
    places = (places - places.min(axis=0)) / np.where(spread > 0, spread, 1)
    return failure_map(places, table.failures, table.trainings)
