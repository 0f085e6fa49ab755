"""Every cell and reference of a study by seed, with the noise of its test images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.findings.image_noise import ImageNoise, shared_images
from normscope.normalization import NONE, Normalization

if TYPE_CHECKING:
    import xarray as xr

    from normscope.studies.specification import ScanSpec
    from normscope.trials.result import FinishedTrial


@dataclass(frozen=True)
class TrialTable:
    """Accuracies of the same seeds under several normalizations.

    Attributes:
        normalizations: One per row: the grid's cells with the last axis varying fastest, then the
            references that lie off the grid.
        cells: How many of the rows are cells.
        accuracies: Shape ``(rows, seeds)``.
        noise: What the draw of the test images adds, over all rows.
        cell_noise: The same over the cells alone.
        exact: Whether nothing is drawn at random, as with a frozen network: one seed is all.
    """

    normalizations: tuple[Normalization, ...]
    cells: int
    accuracies: np.ndarray
    noise: ImageNoise
    cell_noise: ImageNoise
    exact: bool = False

    @property
    def seeds(self) -> int:
        """How many seeds every row has."""
        return self.accuracies.shape[1]

    def row(self, normalization: Normalization) -> int | None:
        """Where a normalization stands.

        Args:
            normalization: On the grid, or a reference.

        Returns:
            Its row, or None where it was not tried with every seed.
        """
        found = [k for k, n in enumerate(self.normalizations) if n == normalization]
        return found[0] if found else None


def trial_table(
    specification: ScanSpec, trials: list[FinishedTrial], grid: xr.DataArray
) -> TrialTable:
    """Collect the trials of the seeds that a grid has in every cell.

    Args:
        specification: The scan.
        trials: Its finished trials.
        grid: Accuracies of whole seeds, dims ``("mean", "std", "seed")``, without NaN.

    Returns:
        The table; a reference that lacks one of the seeds is left out.
    """
    seeds = [int(seed) for seed in grid["seed"]]
    found = {(t.spec.normalization, t.spec.seed): t.result for t in trials}
    cells = list(specification.cells())
    references = [specification.data, NONE]
    if specification.expected is not None:
        references.append(specification.expected)
    off_grid = [
        n
        for n in dict.fromkeys(references)
        if n not in cells and all((n, seed) in found for seed in seeds)
    ]
    rows = [[found[n, seed] for seed in seeds] for n in [*cells, *off_grid]]
    # A frozen network is tested on as many images as its accuracy needs: the first are shared.
    images = min(result.test_images for row in rows for result in row)
    correct = np.array([[result.correct_images()[:images] for result in row] for row in rows])
    return TrialTable(
        normalizations=(*cells, *off_grid),
        cells=len(cells),
        accuracies=np.array([[result.accuracy for result in row] for row in rows]),
        noise=shared_images(correct),
        cell_noise=shared_images(correct[: len(cells)]),
        exact=not specification.recipe.trains,
    )
