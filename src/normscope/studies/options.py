"""What a user chooses of a study, beside its trials, and where it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.keywords import check_kept
from normscope.options import RAY, Option, option
from normscope.studies.axis import FORMS
from normscope.trials.options import MACHINE, TRIAL, TrialOptions
from normscope.wording import check_at_least

if TYPE_CHECKING:
    from numpy import ndarray

DEFAULT_SEEDS = 3
DEFAULT_MEAN, DEFAULT_STD = "-2:3:5", "0.02:2:5:log"
"""The published grid's ranges, over 5 cells in place of 15."""

GRACE_SECONDS = 60.0


CHANNEL_AXIS = Option("An axis for this channel alone.", panel="Single channels")


@dataclass(frozen=True, kw_only=True)
class ScanOptions(TrialOptions):
    """What a scan is chosen to be."""

    mean: str | float | Sequence[float] | ndarray | None = option(
        None,
        f"The grid's means: {FORMS}. {DEFAULT_MEAN} by default.",
        python=f"The grid's means: a list, an array, one number, or a string: {FORMS}. "
        f"{DEFAULT_MEAN} by default.",
    )
    std: str | float | Sequence[float] | ndarray | None = option(
        None,
        f"The grid's stds: {FORMS}. {DEFAULT_STD} by default.",
        python=f"The grid's stds, likewise; each above 0. {DEFAULT_STD} by default.",
    )
    mean_r: str | float | Sequence[float] | ndarray | None = option(None, CHANNEL_AXIS)
    mean_g: str | float | Sequence[float] | ndarray | None = option(None, CHANNEL_AXIS)
    mean_b: str | float | Sequence[float] | ndarray | None = option(None, CHANNEL_AXIS)
    std_r: str | float | Sequence[float] | ndarray | None = option(None, CHANNEL_AXIS)
    std_g: str | float | Sequence[float] | ndarray | None = option(None, CHANNEL_AXIS)
    std_b: str | float | Sequence[float] | ndarray | None = option(None, CHANNEL_AXIS)
    seeds: int | None = option(
        None,
        f"Seeds per cell; {DEFAULT_SEEDS}, or 1 where nothing is trained. Ask for more than "
        "before, or for more values on an axis, to extend the study in the folder.",
    )
    survival: int = option(
        0,
        "N more seeds per cell, each trained only until it is clear whether it learns: minutes "
        "instead of hours.",
        metavar="N",
    )
    first_seed: int = option(0, "The first replicate's seed.", panel=TRIAL, kept="seed")
    out: Path | str | None = option(
        None,
        "The study's folder; by default runs/SOURCE-MODEL; with --spec the file's own "
        "folder, if that holds its study, else one in runs/ named for the file.",
        python="The study's folder; by default runs/SOURCE-MODEL.",
    )


@dataclass(frozen=True, kw_only=True)
class SearchOptions(TrialOptions):
    """What a search is chosen to be."""

    over: Sequence[str] = option(
        (),
        "What to vary: NAME=LOW:HIGH or NAME=LOW:HIGH:log, where NAME is mean, std, mean-r to "
        "std-b, weight-init, bias-init, lr or epochs. Repeat it to vary more.",
        metavar="RANGE",
        python="What to vary: NAME=LOW:HIGH or NAME=LOW:HIGH:log, one string or a list of them; "
        "NAME is mean, std, mean-r to std-b, weight-init, bias-init, lr or epochs.",
    )
    at: Sequence[str] = option(
        (), "What to hold fixed: NAME=VALUE,... with the same names.", metavar="VALUES"
    )
    preset: str | None = option(
        None,
        "The ranges of a published search: lenet, lenet-init, resnet, rgb-coarse or rgb-fine.",
    )
    trials: int = option(200, "Number of trials in all.")
    sampler: str = option("tpe", "tpe, gp, qmc, random or cmaes.")
    halving: bool = option(
        False, "Stop poor trials early: after 1, 3, 9... epochs only the best third go on."
    )
    replicates: int = option(5, "Number of fresh seeds to repeat the best configurations with.")
    seed: int = option(
        0, "Seed of the sampler and of the search's trials.", panel=TRIAL, kept="seed"
    )
    out: Path | str | None = option(
        None, "The study's folder; by default runs/SOURCE-MODEL-search."
    )


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a study runs and is kept, and who else works on it.

    Raises:
        NormscopeError: If a number is out of range, or a name is given without a database.
    """

    workers: int | None = option(
        None, "Trials to run at once; by default as many as the cores allow.", panel=MACHINE
    )
    ray: str | None = option(None, RAY)
    storage: str | None = option(
        None,
        "A database that several processes share, such as postgresql://user@host/name; by default "
        "the study's own folder.",
        panel=MACHINE,
        metavar="URL",
    )
    study: str | None = option(
        None, "The study's name in the shared database.", panel=MACHINE, metavar="NAME"
    )
    grace_seconds: float = option(
        GRACE_SECONDS,
        "Seconds without a sign of life before another process is considered dead.",
        panel=MACHINE,
        flag="--grace",
    )

    def name_beside(self, folder: Path) -> str | None:
        """What a shared database calls the study: as was said, else as its usual folder."""
        # Processes of one study have each their own folder, whose names may differ.
        return self.study or (folder.name if self.storage else None)

    def __post_init__(self) -> None:
        check_kept({"study": self.study, "storage": self.storage})
        if self.workers is not None:
            check_at_least(1, self.workers, "--workers")
        if not self.grace_seconds > 0:
            raise NormscopeError(
                f"--grace must be > 0 seconds, got {self.grace_seconds}. Give a larger number."
            )
        if self.study is not None and self.storage is None:
            raise NormscopeError(
                "--study must be given with --storage, got it alone. Leave it out: a folder holds "
                "one study."
            )
