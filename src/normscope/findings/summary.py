"""The study in a dozen numbers, one answer, and the reasons for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.arguments import for_caller
from normscope.findings.findings import findings
from normscope.findings.reasons import reasons
from normscope.findings.scan_results import cell_axes, read_finished
from normscope.findings.speed import Speed, speeds
from normscope.findings.summary_table import grid_map, summary_table
from normscope.keywords import checked
from normscope.normalization import NONE, Normalization
from normscope.notebook_html import HtmlTable, notebook_html
from normscope.wording import counted

if TYPE_CHECKING:
    import xarray as xr

    from normscope.findings.scan_findings import Findings
    from normscope.findings.scan_results import ScanResults
    from normscope.studies.study import Study
    from normscope.trials.result import FinishedTrial

SCHEMA = 2
"""Version of ``summary.json``; raised when a key is no longer what it was."""

WORST_PERCENT = 5
"""The best 95 % are the cells above this percentile. The notebook passed 0.05 where it meant 5."""


@dataclass(frozen=True)
class Summary:
    """What a scan says.

    Attributes:
        trials: Finished trials that were trained by the whole recipe, the references among them.
        planned: Trials of the whole scan that are trained by the whole recipe.
        survival_trials: Finished trials of survival alone.
        survival_planned: Trials of the whole scan of survival alone.
        diverged: Finished trials whose training diverged.
        best: The cell of the highest accuracy: ``mean``, ``std``, ``accuracy``; None where no
            accuracy was measured.
        worst: The cell of the lowest accuracy, likewise.
        centre_of_mass: ``mean`` and ``std``, each weighted by the cells' accuracies.
        spread: Population standard deviation over cell means.
        best_95_percent: The cells above the 5th percentile: ``cells``, ``mean`` and ``spread``.
        at_data: The source's own statistics: ``mean``, ``std``, ``accuracy``.
        at_none: No normalization, likewise.
        at_model: What the model's library says its weights expect, likewise.
        seed_std: Pooled standard deviation between seeds within a cell; None for one seed.
        cell_std: Between-cell variance component as a standard deviation; None for one seed.
        accuracy_se: The standard error of the best accuracy as a share of the test images drawn.
        findings: What is proved.
        reasons: Why the answer is what it is, at most five sentences.
        reached: The accuracy that ``speeds`` are about: the reference's, less the margin.
        speeds: The steps that each normalization took to reach it.
    """

    trials: int
    planned: int
    survival_trials: int
    survival_planned: int
    diverged: int
    best: dict[str, float] | None
    worst: dict[str, float] | None
    centre_of_mass: dict[str, float] | None
    spread: float | None
    best_95_percent: dict[str, float] | None
    at_data: dict[str, Any] | None
    at_none: dict[str, Any] | None
    at_model: dict[str, Any] | None
    seed_std: float | None
    cell_std: float | None
    accuracy_se: float | None
    findings: Findings
    reasons: tuple[str, ...]
    reached: float | None
    speeds: dict[Normalization, Speed]

    @property
    def answer(self) -> str:
        """Whether the normalization matters, and what to do, in one sentence."""
        return self.findings.answer

    @property
    def counts(self) -> str:
        """How many runs are finished, of how many."""
        whole = f"{self.trials:,} of {counted(self.planned, 'trial')}"
        if not self.survival_planned:
            return whole
        short = f"{self.survival_trials:,} of {self.survival_planned:,} short "
        if not self.planned:
            return f"{short}trials that only count failures"
        return f"{whole}, and {short}ones that only count failures"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.answer} {self.counts}>"

    def _repr_html_(self) -> str:
        shown = HtmlTable(*summary_table(self.findings)), grid_map(self.findings)
        tables = [table for table in shown if table is not None]
        return notebook_html(self.answer, [*self.reasons, f"{self.counts}."], *tables)

    def to_json(self) -> dict[str, Any]:
        """Every field by name, with the schema's version.

        Returns:
            What ``summary.json`` holds.
        """
        found = self.findings.to_json()
        lifted = ("verdict", "answer", "margin", "resolution", "data", "shares")
        cells = [
            {**cell, "steps": self._steps(finding.normalization)}
            for cell, finding in zip(found.pop("cells"), self.findings.cells, strict=True)
        ]
        fields = {**vars(self), "reasons": list(self.reasons)}
        del fields["speeds"]
        return {
            "schema": SCHEMA,
            **{name: found.pop(name) for name in lifted},
            **fields,
            "cells": cells,
            "findings": found,
        }

    def _steps(self, normalization: Normalization) -> dict[str, Any] | None:
        found = self.speeds.get(normalization)
        return found and found.to_json()


@checked
def summarize(
    study: Study,
    margin: float | None = None,
    reference: Normalization | str | None = None,
) -> Summary:
    """Read a study's finished trials.

    Args:
        study: A scan, finished or not.
        margin: The largest loss of accuracy that does not matter; by default 0.002, or what the
            study can resolve where that is more.
        reference: What cells are compared with: a cell, or its ``MEAN/STD``, a name, or ``data``
            for the source's own statistics. By default that is what the weights of a network
            that is not trained expect, where it is known, else the source's own statistics.

    Returns:
        The summary.

    Raises:
        NormscopeError: If no seed has finished in every cell, and no training of survival where
            only those were asked for; or if the reference is not a cell of the study, or the margin
            is out of range.
    """
    return summary_of(read_finished(study), margin, reference)


def summary_of(
    results: ScanResults,
    margin: float | None = None,
    reference: Normalization | str | None = None,
) -> Summary:
    """What ``summarize`` says of a study that has been read."""
    specification, compared, short = results.specification, results.compared, results.survival
    table = results.table
    if reference == "data":
        reference = specification.data
    elif isinstance(reference, str):
        reference = Normalization.parse(reference)
    elif reference is None and not specification.trial.recipe.trains:
        reference = specification.expected
    found = findings(table, specification.data, specification.axes, margin, reference)
    own = found.at_reference.accuracy
    reached = None if own is None or found.exact else own - found.margin
    steps = {} if reached is None else speeds(compared, reached)
    return Summary(
        trials=len(results.trials),
        planned=len(specification.full_trials()),
        survival_trials=len(short),
        survival_planned=len(specification.survival_trials()),
        diverged=sum(trial.result.diverged for trial in results.every_trial),
        at_data=_reference(specification.data, compared),
        at_none=_reference(NONE, compared),
        at_model=_reference(specification.expected, compared),
        **_numbers(results.grid, results.trials),
        findings=found,
        reasons=tuple(map(for_caller, reasons(found, table, steps, reached))),
        reached=reached,
        speeds=steps,
    )


def _numbers(grid: xr.DataArray, trials: list[FinishedTrial]) -> dict[str, Any]:
    """What the grid's accuracies say; None throughout where none was measured."""
    names = ("best", "worst", "centre_of_mass", "spread", "best_95_percent", "accuracy_se")
    if not grid.sizes["seed"]:
        return dict.fromkeys([*names, "seed_std", "cell_std"])
    means = grid.mean("seed")
    top = best_cells(means)
    return {
        "best": _cell(means, int(np.argmax(means.data))),
        "worst": _cell(means, int(np.argmin(means.data))),
        "centre_of_mass": centre_of_mass(means),
        "spread": float(means.std(ddof=0)),
        "best_95_percent": {
            "cells": int(top.size),
            "mean": float(top.mean()),
            "spread": float(top.std()),
        },
        "accuracy_se": _standard_error(float(means.max()), trials),
        "seed_std": seed_std(grid),
        "cell_std": cell_std(grid),
    }


def best_cells(means: xr.DataArray) -> np.ndarray:
    """The accuracies of the best 95 % of cells.

    Args:
        means: Cell means, dims ``("mean", "std")``.

    Returns:
        Those above the 5th percentile, or all where every cell has the same.
    """
    values = means.to_numpy().ravel()
    top = values[values > np.percentile(values, WORST_PERCENT)]
    return top if top.size else values


def centre_of_mass(means: xr.DataArray) -> dict[str, float]:
    """The mean and std of the grid, weighted by accuracy, each along its own axis.

    Args:
        means: Cell means, dims ``("mean", "std")``.

    Returns:
        A value for each axis; the middle of the grid where every accuracy is 0.
    """
    weights = means if means.any() else means + 1
    return {axis: float(means[axis].weighted(weights).mean()) for axis in cell_axes(means)}


def _standard_error(accuracy: float, trials: list[FinishedTrial]) -> float:
    return float(np.sqrt(accuracy * (1 - accuracy) / trials[0].result.test_images))


def seed_std(grid: xr.DataArray) -> float | None:
    """The pooled standard deviation between seeds within a cell (n - 1); None for one seed."""
    if grid.sizes["seed"] < 2:
        return None
    return float(np.sqrt(grid.var("seed", ddof=1).mean()))


def cell_std(grid: xr.DataArray) -> float | None:
    """The between-cell variance component, as a standard deviation.

    Cells share their seeds, so the layout is two-way: what a seed adds to every cell alike does not
    move one cell's mean against another's. The component is therefore
    ``(MS_cell - MS_residual) / seeds`` with the residual of cell and seed, not the one-way
    ``(MS_cell - MS_within) / seeds``, which would take the seeds' common part off a second time
    (Searle, Casella and McCulloch, Variance Components, 1992, doi:10.1002/9780470316856).

    Args:
        grid: Accuracies, dims ``("mean", "std", "seed")``, all finished.

    Returns:
        At least 0, or None with fewer than two seeds or two cells.
    """
    table = grid.stack(cell=cell_axes(grid)).transpose("cell", "seed").to_numpy()
    cells, seeds = table.shape
    if cells < 2 or seeds < 2:
        return None
    by_cell = table.mean(axis=1, keepdims=True)
    residuals = table - by_cell - table.mean(axis=0, keepdims=True) + table.mean()
    of_cells = float(seeds * by_cell.var(ddof=1))
    of_residuals = float((residuals**2).sum() / ((cells - 1) * (seeds - 1)))
    return float(np.sqrt(max(0.0, (of_cells - of_residuals) / seeds)))


def _cell(means: xr.DataArray, position: int) -> dict[str, float]:
    places = np.unravel_index(position, means.shape)
    cell = means[tuple(int(place) for place in places)]
    return {**{axis: float(cell[axis]) for axis in cell_axes(means)}, "accuracy": float(cell)}


def _reference(
    normalization: Normalization | None, trials: list[FinishedTrial]
) -> dict[str, Any] | None:
    found = [trial for trial in trials if trial.spec.normalization == normalization]
    if normalization is None or not found:
        return None
    accuracies = [t.result.accuracy for t in sorted(found, key=lambda trial: trial.spec.seed)]
    return {**normalization.to_json(), "accuracy": float(np.mean(accuracies))}
