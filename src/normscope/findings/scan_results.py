"""A scan's results, read once: what is said of a scan, and drawn of it, starts from here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from normscope.errors import NormscopeError
from normscope.findings.trial_table import TrialTable, trial_table
from normscope.trials.outcome import FAILURES
from normscope.wording import level

if TYPE_CHECKING:
    from collections.abc import Iterable

    from normscope.studies.specification import ScanSpec
    from normscope.studies.study import Study
    from normscope.trials.result import FinishedTrial


@dataclass(frozen=True)
class ScanResults:
    """A scan's finished trials.

    Only seeds that every cell has finished are compared, so that an interrupted scan is not read
    through cells that ran longer.

    Attributes:
        specification: The scan.
        trials: Those that were trained by the whole recipe.
        survival: Those that ended as soon as it was known whether they learn.
    """

    specification: ScanSpec
    trials: list[FinishedTrial]
    survival: list[FinishedTrial]

    @classmethod
    def read(cls, study: Study) -> ScanResults:
        """Read each trial of a study, once."""
        return cls(study.specification, study.trials(), study.survival_trials())

    @property
    def every_trial(self) -> list[FinishedTrial]:
        """Those trained by the whole recipe, then those of survival."""
        return [*self.trials, *self.survival]

    @cached_property
    def compared(self) -> list[FinishedTrial]:
        """The trials of the seeds that every cell has finished."""
        seeds = set(self.grid["seed"].to_numpy().tolist())
        return [trial for trial in self.trials if trial.spec.seed in seeds]

    @cached_property
    def grid(self) -> xr.DataArray:
        """Test accuracies of the seeds that every cell has finished.

        The axes carry their names, so that no later step can swap them, as the notebook's map does:
        dims ``("mean", "std", "seed")``, or the names of the scan's axes. There may be no seed.
        """
        found = self.accuracies_of(self.trials)
        return found.isel(seed=found.notnull().all([*found.dims[:-1]]).to_numpy())

    def accuracies_of(self, trials: Iterable[FinishedTrial]) -> xr.DataArray:
        """Test accuracies with every planned seed, as in ``grid``; NaN where no such trial is."""
        axes, cells = self.specification.axes, self.specification.cells()
        seeds = self.specification.seed_numbers()
        found = np.full([*(len(axis.values) for axis in axes), len(seeds)], np.nan)
        for trial in trials:
            place = cells.get(trial.spec.normalization)
            if place is not None:
                found[(*place, trial.spec.seed - seeds.start)] = trial.result.accuracy
        return self._named(found, seed=list(seeds))

    @cached_property
    def table(self) -> TrialTable:
        """The same trials by cell and reference, with what became of each."""
        seeds = self.grid["seed"].to_numpy().tolist()
        return trial_table(self.specification, seeds, self.trials, self.survival)

    def on_axes(self, rows: np.ndarray) -> xr.DataArray:
        """Values of the table's rows, shape ``(rows,)``, as the grid's cells; without its seeds."""
        shape = [len(axis.values) for axis in self.specification.axes]
        return self._named(rows[: self.table.cells].reshape(shape))

    def _named(self, values: np.ndarray, **last: list[int]) -> xr.DataArray:
        coords = {axis.name: list(axis.values) for axis in self.specification.axes}
        return xr.DataArray(values, dims=(*coords, *last), coords={**coords, **last})


def read_finished(study: Study) -> ScanResults:
    """Read a study that has something to say.

    Args:
        study: The study.

    Returns:
        Its results.

    Raises:
        NormscopeError: If no seed has finished in every cell, and no training of survival where
            only those were asked for.
    """
    results = ScanResults.read(study)
    if not results.compared and (study.specification.seeds or not results.survival):
        raise NormscopeError(
            f"{study.folder} must hold a scan with at least one seed finished in every cell, "
            f"got {len(results.trials)} of {len(study.specification.trials())} trials"
            f"{_so_far(results)}. Run the scan again to finish it."
        )
    return results


def _so_far(results: ScanResults) -> str:
    given = [trial.result for trial in results.trials]
    reached = [result.accuracy for result in given if result.outcome not in FAILURES]
    if not given:
        return ""
    failed = f", of which {len(given) - len(reached)} failed"
    if not reached:
        return failed
    low, high = min(reached), max(reached)
    return f"{failed} and the others reach {level(low, high)} to {level(high, low)}"


def cell_axes(grid: xr.DataArray) -> tuple[str, ...]:
    """The names of the axes of a grid that are not its seeds, such as ``("mean", "std")``."""
    return tuple(str(dim) for dim in grid.dims if dim != "seed")
