"""What the report page shows, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from contourpy import contour_generator
from matplotlib.colors import to_hex

from normscope.findings.answer import reference_name
from normscope.findings.comparison import IN_WORDS
from normscope.findings.smooth_map import smooth_map
from normscope.normalization import NONE

if TYPE_CHECKING:
    from normscope.figures.accuracy_map import AccuracyMap
    from normscope.findings.scan_findings import Findings
    from normscope.findings.scan_results import ScanResults
    from normscope.findings.summary import Summary
    from normscope.normalization import Normalization
    from normscope.studies.axis import Axis
    from normscope.studies.specification import ScanSpec
    from normscope.trials.result import FinishedTrial

COLOURS = 64
CONTOURS = 6

FEWEST_VALUES = 7
"""Of each axis, for a smooth map and contours."""

MOST_EPOCHS = 60_000
"""Of training curves on one page, which keeps it below 6 MB; further seeds are left out."""


def page_data(results: ScanResults, summary: Summary, drawn: AccuracyMap) -> dict[str, Any]:
    """Collect what the page of a scan shows.

    Args:
        results: A scan's, with at least one seed finished in every cell.
        summary: What they say.
        drawn: Their map.

    Returns:
        Plain values, all of which JSON can hold.
    """
    specification, found = results.specification, summary.findings
    return {
        "title": f"{specification.trial.model} on {specification.trial.source}",
        "axes": [_axis(axis) for axis in specification.axes],
        "cells": _cells(found),
        "measured": found.seeds > 0,
        "exact": found.exact,
        "margin": found.margin,
        "resolution": found.resolution,
        "best": None if drawn.best is None else list(drawn.best),
        "limits": list(drawn.limits),
        "reference": _place(specification, found.reference),
        "reference_name": reference_name(found),
        "words": dict(IN_WORDS),
        "none": None if found.reference == NONE else _place(specification, NONE),
        "smooth": _smooth(specification, found),
        "curves": _curves(results.trials),
        "curves_on": specification.trial.recipe.selection,
        "epochs": specification.trial.recipe.epochs,
        "colours": colours(),
    }


def facts(results: ScanResults) -> list[tuple[str, str]]:
    """How much of a scan has run, and on what: names and values in their order."""
    trials = results.every_trial
    finished = f"{len(trials)} of {len(results.specification.trials())}"
    return [("trials finished", finished), *run_facts(trials)]


def run_facts(trials: list[FinishedTrial]) -> list[tuple[str, str]]:
    """Versions, hardware, seeds and duration: names and values in their order."""
    environments = [trial.result.environment for trial in trials]
    rows = [
        ("seeds", ", ".join(str(k) for k in sorted({t.spec.seed for t in trials}))),
        ("duration", f"{sum(t.result.seconds for t in trials):,.0f} s of trials in all"),
        ("test images", f"{trials[0].result.test_images:,}"),
    ]
    names = dict.fromkeys(name for environment in environments for name in environment)
    for name in names:
        values = [str(e[name]) for e in environments if e.get(name) is not None]
        if not values:
            continue
        if name == "time":
            rows.append(("run", f"{min(values)} to {max(values)}"))
        else:
            rows.append((name.replace("_", " "), ", ".join(dict.fromkeys(values))))
    return rows


def colours() -> list[str]:
    """A colour map that a colour-blind reader can use, from low to high.

    Returns:
        Colours of cividis (Nunez, Anderton and Renslow, PLoS ONE 13, 2018,
        doi:10.1371/journal.pone.0199239), as CSS has them.
    """
    steps = mpl.colormaps["cividis"](np.linspace(0, 1, COLOURS))
    return [to_hex(step) for step in steps]


def _axis(axis: Axis) -> dict[str, Any]:
    return {"name": axis.name, "values": list(axis.values), "log": axis.name.startswith("std")}


def _place(specification: ScanSpec, normalization: Normalization) -> list[float] | None:
    """Where a normalization lies on the axes of the map."""
    places = specification.cells().get(normalization)
    if places is not None:
        return [axis.values[i] for axis, i in zip(specification.axes, places, strict=True)]
    if [axis.name for axis in specification.axes] != ["mean", "std"]:
        return None
    return [float(np.mean(normalization.mean)), float(np.mean(normalization.std))]


def _cells(found: Findings) -> list[dict[str, Any]]:
    """One entry per cell, std varying fastest, then the references off the grid."""
    return [
        {
            **_rounded(cell.to_json()),
            "grid": k < found.grid_cells,
            "is_reference": cell.normalization == found.reference,
            "name": f"{cell.normalization:.4g}",
        }
        for k, cell in enumerate(found.cells)
    ]


def _rounded(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: round(value, 6) if isinstance(value, float) and name not in {"mean", "std"} else value
        for name, value in fields.items()
    }


def _smooth(specification: ScanSpec, found: Findings) -> dict[str, Any] | None:
    axes = [np.array(axis.values) for axis in specification.axes]
    cells = found.cells[: found.grid_cells]
    accuracies = np.array([np.nan if c.accuracy is None else c.accuracy for c in cells])
    errors = np.array([np.nan if c.se is None else c.se for c in cells])
    known = ~np.isnan(accuracies) & ~np.isnan(errors)
    # From a handful of values a smooth map would show what nobody measured.
    if len(axes) != 2 or min(len(axis) for axis in axes) < FEWEST_VALUES or not known.all():
        return None
    log = [axis.log or axis.name.startswith("std") for axis in specification.axes]
    fitted = smooth_map(accuracies, errors, (axes[0], axes[1]), (log[0], log[1]))
    accuracy = fitted["accuracy"].to_numpy()
    fine = np.linspace(0, 1, len(accuracy))
    lines: Any = contour_generator(fine, fine, accuracy.T)
    levels = np.linspace(accuracy.min(), accuracy.max(), CONTOURS + 2)[1:-1]
    return {
        "accuracy": np.round(accuracy, 5).tolist(),
        "half": np.round((fitted["high"] - fitted["low"]).to_numpy() / 2, 5).tolist(),
        "contours": [
            {"level": float(level), "lines": [np.round(line, 4).tolist() for line in drawn]}
            for level in levels
            if (drawn := lines.lines(float(level))) and np.ptp(accuracy) > 0
        ],
    }


def _curves(trials: list[FinishedTrial]) -> dict[str, list[dict[str, Any]]]:
    """Histories by normalization, the lowest seeds first, as many as a page can carry."""
    curves: dict[str, list[dict[str, Any]]] = {}
    carried = 0
    for trial in sorted(trials, key=_order):
        carried += len(trial.result.history)
        if carried > MOST_EPOCHS:
            break
        curves.setdefault(f"{trial.spec.normalization:.4g}", []).append(
            {
                "seed": trial.spec.seed,
                "loss": [_short(e.get("train_loss")) for e in trial.result.history],
                "accuracy": [
                    _short(e.get("test_accuracy", e.get("validation_accuracy")))
                    for e in trial.result.history
                ],
            }
        )
    return curves


def _order(trial: FinishedTrial) -> tuple[Any, ...]:
    """By seed, then place: not as they finished, or an interruption would change the page."""
    normalization, scale = trial.spec.normalization, trial.spec.init_scale
    return trial.spec.seed, normalization.mean, normalization.std, scale.weight, scale.bias


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
