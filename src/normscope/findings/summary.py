"""The study in a dozen numbers and one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.findings.claims import claims
from normscope.findings.findings import Findings, findings
from normscope.findings.grid import accuracies_at, accuracy_grid, cell_axes
from normscope.findings.paired import MARGIN
from normscope.findings.sentence import answer
from normscope.findings.trial_table import trial_table
from normscope.findings.variance import cell_std, seed_std
from normscope.normalization import NONE, Normalization
from normscope.studies.written import SCHEMA

if TYPE_CHECKING:
    import xarray as xr

    from normscope.studies.study import Study
    from normscope.trials.result import FinishedTrial

WORST_PERCENT = 5
"""The best 95 % are the cells above this percentile. The notebook passed 0.05 where it meant 5."""


@dataclass(frozen=True)
class Summary:
    """What a scan says.

    Attributes:
        trials: Finished trials, the references among them.
        planned: Trials of the whole scan.
        diverged: Finished trials whose training diverged.
        best: The cell of the highest accuracy: ``mean``, ``std``, ``accuracy``.
        worst: The cell of the lowest accuracy, likewise.
        centre_of_mass: ``mean`` and ``std``, each weighted by the cells' accuracies.
        spread: Population standard deviation over cell means.
        best_95_percent: The cells above the 5th percentile: ``cells``, ``mean`` and ``spread``.
        at_data: The source's own statistics: ``mean``, ``std``, ``accuracy``.
        at_none: No normalization, likewise.
        seed_std: Pooled standard deviation between seeds within a cell; None for one seed.
        cell_std: Between-cell variance component as a standard deviation; None for one seed.
        sentence: The answer.
        findings: What is proved; None with fewer than two seeds or cells.
        claims: The same in sentences.
        at_model: What the model's library says its weights expect, as ``at_data``.
        accuracy_se: The standard error of the best accuracy as a share of the test images drawn.
    """

    trials: int
    planned: int
    diverged: int
    best: dict[str, float]
    worst: dict[str, float]
    centre_of_mass: dict[str, float]
    spread: float
    best_95_percent: dict[str, float]
    at_data: dict[str, Any] | None
    at_none: dict[str, Any] | None
    seed_std: float | None
    cell_std: float | None
    sentence: str
    findings: Findings | None
    claims: tuple[str, ...]
    at_model: dict[str, Any] | None = None
    accuracy_se: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Every field by name, with the schema's version.

        Returns:
            What ``summary.json`` holds.
        """
        found = self.findings
        return {
            "schema": SCHEMA,
            **vars(self),
            "findings": found and found.to_json(),
            "claims": list(self.claims),
        }


def summarize(
    study: Study, margin: float = MARGIN, reference: Normalization | None = None
) -> Summary | None:
    """Read a study's finished trials.

    Only seeds that every cell has finished are compared, so that an interrupted scan is not read
    through cells that ran longer.

    Args:
        study: A scan, finished or not.
        margin: The largest difference of accuracy that does not matter.
        reference: What cells are compared with; the source's own statistics by default.

    Returns:
        The summary, or None while no seed has finished in every cell.
    """
    specification, trials = study.specification, study.trials()
    grid = whole_seeds(accuracy_grid(specification, trials))
    if not grid.sizes["seed"]:
        return None
    compared = [trial for trial in trials if trial.spec.seed in grid["seed"]]
    means = grid.mean("seed")
    top = best_cells(means)
    numbers = {
        "trials": len(trials),
        "planned": len(specification.trials()),
        "diverged": sum(trial.result.diverged for trial in trials),
        "best": _cell(means, int(np.argmax(means.data))),
        "worst": _cell(means, int(np.argmin(means.data))),
        "centre_of_mass": centre_of_mass(means),
        "spread": float(means.std(ddof=0)),
        "best_95_percent": {
            "cells": int(top.size),
            "mean": float(top.mean()),
            "spread": float(top.std()),
        },
        "at_data": _reference(specification.data, accuracies_at(specification.data, compared)),
        "at_none": _reference(NONE, accuracies_at(NONE, compared)),
        "at_model": _expected(specification.expected, compared),
        "accuracy_se": _standard_error(float(means.max()), trials),
        "seed_std": seed_std(grid),
        "cell_std": cell_std(grid),
    }
    table = trial_table(specification, trials, grid)
    found = findings(specification, table, margin, reference)
    return Summary(
        **numbers,
        sentence=answer(specification, numbers),
        findings=found,
        claims=() if found is None else tuple(claims(found)),
    )


def whole_seeds(grid: xr.DataArray) -> xr.DataArray:
    """The part of a grid whose seeds have finished in every cell.

    Args:
        grid: Accuracies, dims ``("mean", "std", "seed")``, NaN where a trial is missing.

    Returns:
        The same dims, without NaN; perhaps without any seed.
    """
    return grid.isel(seed=grid.notnull().all(cell_axes(grid)).to_numpy())


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


def _expected(expected: Normalization | None, trials: list[FinishedTrial]) -> dict[str, Any] | None:
    return _reference(expected, accuracies_at(expected, trials)) if expected else None


def _standard_error(accuracy: float, trials: list[FinishedTrial]) -> float:
    return float(np.sqrt(accuracy * (1 - accuracy) / trials[0].result.test_images))


def _cell(means: xr.DataArray, position: int) -> dict[str, float]:
    places = np.unravel_index(position, means.shape)
    cell = means[tuple(int(place) for place in places)]
    return {**{axis: float(cell[axis]) for axis in cell_axes(means)}, "accuracy": float(cell)}


def _reference(normalization: Normalization, accuracies: np.ndarray) -> dict[str, Any] | None:
    if not accuracies.size:
        return None
    return {**normalization.to_json(), "accuracy": float(accuracies.mean())}
