"""The published LeNet grid beside our own run of it, cell by cell, as Markdown.

``python -m benchmarks.published_comparison STUDY --published FILE`` reads a study of
``benchmarks.published_grid``, or its export, and a JSON file of the published ``accuracy``, a row
for each ``mean`` and a column for each ``std``. Published differences are weighed with the noise
between our seeds, which a grid of one seed cannot tell.
"""

from __future__ import annotations

import argparse
import json
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from benchmarks.noise_between_seeds import beyond, correlation, range_of_equals, spread

from normscope.article.published import EXPERIMENTS
from normscope.errors import NormscopeError
from normscope.findings.image_noise import independent_images, shared_images
from normscope.findings.scan_results import ScanResults
from normscope.findings.summary import best_cells
from normscope.findings.variance_shares import variance_shares
from normscope.regular_files import read_text
from normscope.studies.study import Study
from normscope.trials.outcome import FAILURES

if TYPE_CHECKING:
    from normscope.findings.variance_shares import Share

AXES = ("mean", "std")
TEST_IMAGES = 10_000
FEWEST_CELLS = 3
"""Of which anything is said: two have a rank correlation of 1 or -1, whatever they are."""
FLAT_FROM = 0.1
"""The std from which on the published accuracies show no trend."""


def read_published(path: Path) -> xr.DataArray:
    """Read the published accuracies.

    Returns:
        The grid, dims ``("mean", "std")``, both rising.

    Raises:
        NormscopeError: If the file holds no such grid.
    """
    try:
        found = json.loads(read_text(path))
        axes = {name: np.asarray(found[name], float) for name in AXES}
        grid = xr.DataArray(np.asarray(found["accuracy"], float), dims=AXES, coords=axes)
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise NormscopeError(
            f"{path} must be a JSON file of mean, std and accuracy, a row for each mean and a "
            f"column for each std, got: {error}. Give the published grid."
        ) from None
    grid = grid.sortby(list(AXES))
    rising = all((np.diff(grid[axis]) > 0).all() for axis in AXES)
    if not (rising and grid.size and ((grid >= 0) & (grid <= 1)).all()):
        raise NormscopeError(
            f"{path} must hold each mean and std once and accuracies in [0, 1], got others. "
            "Give the published grid."
        )
    return grid


def comparison(results: ScanResults, published: xr.DataArray) -> str:
    """Everything that both grids say together.

    Args:
        results: Ours, over points of the published grid.
        published: Theirs.

    Returns:
        Markdown.

    Raises:
        NormscopeError: If ours has other points, no whole seed, or hardly a cell that learned.
    """
    grid = results.grid
    try:
        theirs = published.sel(mean=grid["mean"], std=grid["std"], method="nearest", tolerance=1e-9)
    except KeyError:
        names = " x ".join(f"{a.name} {a.text}" for a in results.specification.axes)
        raise NormscopeError(
            f"the study must have points of the published grid, got {names}. Give one of "
            "benchmarks.published_grid."
        ) from None
    if not grid.sizes["seed"]:
        raise NormscopeError(
            "the study must have a seed finished in every cell, got "
            f"{len(results.trials)} of {len(results.specification.trials())} trials. "
            "Let benchmarks.published_grid go on."
        )
    learned = np.array([row.all() for row in results.table.learned[: results.table.cells]])
    if learned.sum() < FEWEST_CELLS:
        raise NormscopeError(
            f"the study must have {FEWEST_CELLS} cells in which every training learned, got "
            f"{learned.sum()} of {len(learned)}. Compare one that learns."
        )
    parts = [
        _counts(results),
        _together(_by_cell(grid)[learned], _by_cell(theirs)[learned]),
        _shares(results, learned, theirs, published),
        _noise(results, published),
    ]
    kept = xr.DataArray(learned.reshape(theirs.shape), coords=theirs.coords)
    both = grid.where(kept), theirs.where(kept)
    parts += [_along(axis, *both) for axis in ("std", "mean")]
    parts.append(_conclusions(grid, theirs))
    return "\n\n".join(filter(None, parts))


def _by_cell(grid: xr.DataArray) -> np.ndarray:
    """A row for each cell, the std varying fastest."""
    return grid.stack(cell=("mean", "std")).transpose("cell", ...).to_numpy()


def _counts(results: ScanResults) -> str:
    table, planned = results.table, len(results.specification.seed_numbers())
    trainings, failures = table.trainings[: table.cells], table.failures[: table.cells]
    failed = [
        f"{table.normalizations[k]:.4g} ({failures[k]} of {trainings[k]})"
        for k in np.flatnonzero(failures)
    ]
    where = f": {', '.join(failed)}" if failed else ""
    return (
        f"{len(results.trials)} trials; {table.seeds} of {planned} seeds are finished in all "
        f"{table.cells} cells. {failures.sum()} of {trainings.sum()} trainings failed{where}."
    )


def _together(ours: np.ndarray, theirs: np.ndarray) -> str:
    value, low, high = correlation(ours.mean(axis=1), theirs)
    text = (
        f"Over the {len(ours)} cells in which all our trainings learned, our means over seeds and "
        f"the published accuracies have a rank correlation of {value:.2f} ({low:.2f} to "
        f"{high:.2f})."
    )
    pairs = [
        correlation(ours[:, a], ours[:, b])[0] for a, b in combinations(range(ours.shape[1]), 2)
    ]
    if pairs:
        text += f" Between two of our own seeds it is {np.mean(pairs):.2f} on average."
    return text


def _shares(
    results: ScanResults, learned: np.ndarray, theirs: xr.DataArray, published: xr.DataArray
) -> str:
    correct, kept = results.table.correct, np.flatnonzero(learned)
    values = _by_cell(results.grid)[kept]
    if correct is None:
        noise = independent_images(values, TEST_IMAGES)
    else:
        noise = shared_images(correct[kept])
    own = variance_shares(values, _places(theirs, kept), AXES, noise)
    rows = {
        f"published, all {published.size} cells": _of_one_seed(
            published, np.arange(published.size)
        ),
        "published, the same cells": _of_one_seed(theirs, kept),
        "ours": own,
    }
    lines = [
        "| of the variation | mean | std | both together | seed | test images |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in rows.items():
        texts = [_share(found, part) for part in ("mean", "std", "both", "seed", "test_images")]
        lines.append(f"| {name} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def _of_one_seed(grid: xr.DataArray, kept: np.ndarray) -> dict[str, Share] | None:
    values = _by_cell(grid)[kept, None]
    noise = independent_images(values, TEST_IMAGES)
    return variance_shares(values, _places(grid, kept), AXES, noise)


def _places(grid: xr.DataArray, kept: np.ndarray) -> list[list[int]]:
    return np.stack(np.unravel_index(kept, grid.shape[:2]), axis=1).tolist()


def _share(found: dict[str, Share] | None, part: str) -> str:
    if found is None or part not in found:
        return ""
    share = found[part]
    return f"{100 * share.share:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f})"


def _repeated(results: ScanResults) -> xr.DataArray:
    """The accuracies that tell most of the noise: of the cells that some seeds have finished.

    Returns:
        Dims ``("cell", "seed")``, of trainings that learned. A seed that is being run counts if
        the cells that it lacks are worth less.
    """
    finished = [trial for trial in results.trials if trial.result.outcome not in FAILURES]
    cells = results.accuracies_of(finished).stack(cell=AXES).transpose("cell", "seed")
    most = np.argsort(-cells.count("cell").to_numpy(), kind="stable")
    choices = [cells[:, most[: n + 1]].dropna("cell") for n in range(len(most))]
    return max(choices, key=lambda some: (some.sizes["cell"] - 1) * (some.sizes["seed"] - 1))


def _noise(results: ScanResults, published: xr.DataArray) -> str:
    """How the published differences compare with those between seeds, among all cells and some."""
    ours = _repeated(results)
    points = EXPERIMENTS["lenet-points"].figures
    more = points["0.144/0.569"] - points["0.1307/0.3081"]
    lines = []
    for least, name in ((0.0, "All stds"), (FLAT_FROM, f"Stds from {FLAT_FROM:g} on")):
        repeated = ours[(ours["std"] >= least).to_numpy()]
        noise = spread(repeated.to_numpy())
        cells = _by_cell(published.sel(std=slice(least, None)))
        if noise is None or len(cells) < 2:
            continue
        median, most = range_of_equals(len(cells), noise)
        near = (cells.max() - cells <= noise.difference).sum()
        lines.append(
            f"- {name}: between seeds an accuracy varies by {noise.std:.5f} ({noise.low:.5f} to "
            f"{noise.high:.5f}, from {len(repeated)} cells of {repeated.sizes['seed']} seeds), "
            f"what a seed does to all cells alike left out, so that two equal cells of one seed "
            f"differ by more than {noise.difference:.4f} once in twenty times. "
            f"The best and the worst of {len(cells)} published cells are {np.ptp(cells):.4f} "
            f"apart; equal cells would be {median:.4f} apart, and more than {most:.4f} in one grid "
            f"of twenty. {100 * beyond(cells, noise):.0f} % of the pairs differ by more than the "
            f"noise; of equal cells 5 % would. {near} are within the noise of the best. That "
            f"0.144/0.569 gives {more:.4f} more than 0.1307/0.3081 is "
            f"{'within' if abs(more) <= noise.difference else 'beyond'} it."
        )
    return "\n".join(lines)


def _along(axis: str, ours: xr.DataArray, theirs: xr.DataArray) -> str:
    """Averages over the other axis, with standard errors over seeds."""
    other = "mean" if axis == "std" else "std"
    lines = [f"| {axis} | published | ours |", "|---|---|---|"]
    for value in theirs[axis].to_numpy():
        there, here = (grid.sel({axis: value}).mean(other).to_numpy() for grid in (theirs, ours))
        if np.isnan(there):  # no cell in which all our trainings learned
            lines.append(f"| {value:.4g} | | |")
            continue
        error = f" ± {here.std(ddof=1) / len(here) ** 0.5:.4f}" if len(here) > 1 else ""
        lines.append(f"| {value:.4g} | {there:.4f} | {here.mean():.4f}{error} |")
    return "\n".join(lines)


def _conclusions(grid: xr.DataArray, theirs: xr.DataArray) -> str:
    """What each seed alone would have told: as the notebook read its own."""
    lines = [
        "| seed | best | at | worst | at | mean | std over cells | best 95 % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    columns = {"1998, published": theirs}
    columns |= {str(int(s)): grid.sel(seed=s) for s in grid["seed"].to_numpy()}
    for name, cells in columns.items():
        row = [name]
        for end in (cells.argmax(...), cells.argmin(...)):
            cell = cells.isel(end)
            row += [f"{float(cell):.4f}", f"{float(cell['mean']):.4g}/{float(cell['std']):.4g}"]
        top = best_cells(cells)
        row += [f"{float(cells.mean()):.4f}", f"{float(cells.std()):.4f}"]
        row.append(f"{top.mean():.4f} ± {top.std():.4f}")
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("--published", type=Path, required=True)
    given = parser.parse_args()
    published = read_published(given.published)
    print(comparison(ScanResults.read(Study.open(given.study)), published))


if __name__ == "__main__":
    try:
        main()
    except NormscopeError as error:
        raise SystemExit(str(error)) from None
