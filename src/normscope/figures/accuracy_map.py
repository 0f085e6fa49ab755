"""The map over mean and std: how many trainings failed, and how accurate the others are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.figures.map_panels import Panel, draw_panels
from normscope.findings.scan_results import ScanResults, cell_axes
from normscope.studies.parameters import PARAMETERS, Point
from normscope.wording import counted

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from normscope.normalization import Normalization


@dataclass(frozen=True)
class AccuracyMap:
    """What the map shows, over two axes: ``mean`` and ``std``, or those of single channels.

    Attributes:
        accuracy: Mean over the trainings that learned, the best over any other axes; NaN where
            none learned.
        failed: The share of trainings that failed, the mean over any other axes; NaN in a cell
            without any, None where no training knows what became of it.
        failures: How many failed.
        trainings: Of how many, those of survival alone among them.
        best: Where the cell with the highest accuracy lies; None where nothing learned.
        data: Where the source's own statistics lie, one point for each different channel.
        expected: Likewise what the model's library says its weights expect.
        units: The source's own statistics.
        title: What was trained on what.
    """

    accuracy: xr.DataArray
    failed: xr.DataArray | None
    failures: xr.DataArray
    trainings: xr.DataArray
    best: tuple[float, float] | None
    data: tuple[tuple[float, float], ...]
    expected: tuple[tuple[float, float], ...]
    units: Normalization
    title: str

    @property
    def limits(self) -> tuple[float, float]:
        """Where the scale of accuracies begins and ends.

        One poor cell among good ones must not hide their differences, so the scale ends near the
        bulk: 1.5 times what the middle 70 % of the cells span beyond these on either side.
        """
        values = np.sort(self.accuracy.to_numpy()[self.accuracy.notnull().to_numpy()])
        if not values.size:
            return 0.0, 1.0
        low, high = (values[round(share * (len(values) - 1))] for share in (0.15, 0.85))
        reach = 1.5 * (high - low)
        return max(float(values[0]), float(low - reach)), min(
            float(values[-1]), float(high + reach)
        )


def accuracy_map(results: ScanResults) -> AccuracyMap:
    """The numbers of the map."""
    specification, table = results.specification, results.table
    accuracy = _two_axes(results.on_axes(table.mean))
    accuracy = accuracy.max(cell_axes(accuracy)[2:])
    trainings, failures = (
        _two_axes(results.on_axes(counts)) for counts in (table.trainings, table.failures)
    )
    others = cell_axes(trainings)[2:]
    trainings, failures = trainings.sum(others), failures.sum(others)
    x, y = cell_axes(accuracy)
    best = None
    if accuracy.notnull().any():
        cell = accuracy.isel({d: int(i) for d, i in accuracy.argmax(...).items()})
        best = (float(cell[x]), float(cell[y]))
    expected, trial = specification.expected, specification.trial
    return AccuracyMap(
        accuracy=accuracy,
        failed=(failures / trainings.where(trainings > 0)) if trainings.any() else None,
        failures=failures,
        trainings=trainings,
        best=best,
        data=_points(specification.data, x, y),
        expected=_points(expected, x, y) if expected else (),
        units=specification.data,
        title=f"{trial.model} on {trial.source}, {_what(results, trainings)}",
    )


def _what(results: ScanResults, trainings: xr.DataArray) -> str:
    if not results.specification.trial.recipe.trains:
        return "frozen, not trained"
    return f"{counted(int(trainings.max()) or results.table.seeds, 'run')} a cell"


def _two_axes(values: xr.DataArray) -> xr.DataArray:
    """An axis alone gets one of length 1 beside it."""
    axes = cell_axes(values)
    if len(axes) == 1:
        other = "std" if axes[0].startswith("mean") else "mean"
        values = values.expand_dims({f"any {other}": [0.5]}, axis=1)
    return values


def _points(normalization: Normalization, x: str, y: str) -> tuple[tuple[float, float], ...]:
    """Where a normalization lies on two axes: once, or once for each different channel."""
    if (x, y) == ("mean", "std"):
        return tuple(dict.fromkeys(zip(normalization.mean, normalization.std, strict=True)))
    point = Point(normalization)
    place = [point.value(axis) if axis in PARAMETERS else 0.5 for axis in (x, y)]
    return () if place[0] is None or place[1] is None else ((place[0], place[1]),)


def draw_accuracy_map(numbers: AccuracyMap) -> Figure:
    """Draw survival above the accuracy of the survivors; one alone where that says everything.

    Returns:
        A figure 6.4 inches wide, each panel about 5 inches high.
    """
    x, y = cell_axes(numbers.accuracy)
    learned = bool(numbers.accuracy.notnull().any())
    panels = []
    if numbers.failed is not None and (numbers.failures.any() or not learned):
        failed, of = (a.transpose(y, x) for a in (numbers.failures, numbers.trainings))
        panels.append(
            Panel(
                title="Share of runs that failed",
                values=numbers.failed.transpose(y, x),
                texts=[
                    [f"{int(f)}/{int(n)}" for f, n in zip(*row, strict=True)]
                    for row in zip(failed.to_numpy(), of.to_numpy(), strict=True)
                ],
                limits=(0.0, 1.0),
                colours="OrRd",
                empty="no run yet",
            )
        )
    if learned or not panels:
        values = numbers.accuracy.transpose(y, x)
        panels.append(
            Panel(
                title="Test accuracy" + (" of those that learned" if panels else ""),
                values=values,
                texts=[[f"{v:.3f}" for v in row] for row in values.to_numpy()],
                limits=numbers.limits,
                colours="cividis",
                empty=_unmeasured(numbers),
            )
        )
    marks: list[tuple[Any, str, str, str]] = [
        (numbers.data, "o", "tab:cyan", "the data's statistics"),
        (numbers.expected, "D", "tab:orange", "what the weights expect"),
    ]
    return draw_panels(numbers.title, panels, marks, numbers.best, _own_units(numbers, x, y))


def _unmeasured(numbers: AccuracyMap) -> str:
    """Why cells have no accuracy: runs of survival that live have none either."""
    lived = numbers.accuracy.isnull() & (numbers.failures < numbers.trainings)
    return "not measured" if lived.any() else "none learned"


def _own_units(numbers: AccuracyMap, x: str, y: str) -> tuple[float, float, float] | None:
    """``a``, ``b`` and ``c`` such that the offset is ``a - b mean`` and the factor ``c / std``."""
    if (x, y) != ("mean", "std"):
        return None
    m, s = np.array(numbers.units.mean), np.array(numbers.units.std)
    return float((m / s).mean()), float((1 / s).mean()), float(s.mean())
