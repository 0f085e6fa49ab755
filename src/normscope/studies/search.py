"""A search for the best numbers: what ``normscope search`` does."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError, UnknownName
from normscope.models.expected import resolve_normalization
from normscope.ray_connection import ray_cluster
from normscope.studies.by_name import by_name
from normscope.studies.executors.opening import open_executor
from normscope.studies.locking import locked
from normscope.studies.ranges import parse_fixed, parse_ranges
from normscope.studies.search_presets import SEARCH_PRESETS
from normscope.studies.search_specification import SearchSpec
from normscope.studies.search_study import SearchStudy
from normscope.studies.search_work import (
    BEST_CONFIGURATIONS,
    Choosing,
    Repeating,
    references,
    repeated,
)
from normscope.studies.slot_claims import GRACE_SECONDS
from normscope.studies.storage import open_url
from normscope.studies.work_loop import drive

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from normscope.images.decoded import DecodedSource
    from normscope.studies.executors.executor import Executor

DEFAULT_TRIALS = 200
"""As many as the published searches have."""

DEFAULT_REPLICATES = 5

ONE_CELL = {"mean": "0", "std": "1", "seeds": 1, "norm": None, "out": None}


@dataclass(frozen=True)
class SearchOptions:
    """What a user says of a search; ``search`` documents each field."""

    source: str = "digits"
    over: Sequence[str] = ()
    at: Sequence[str] = ()
    preset: str | None = None
    trials: int = DEFAULT_TRIALS
    sampler: str = "tpe"
    replicates: int = DEFAULT_REPLICATES
    norm: str = "data"
    seed: int = 0
    model: str = "lenet"
    recipe: str | None = None
    epochs: int | None = None
    train_images: int | None = None
    device: str = "auto"
    precision: str = "auto"
    trainer: str = "fast"
    threads: int = 1
    out: str | Path | None = None
    root: Path | None = None
    strict: bool = False
    weights: str | Path | None = None
    new_head: bool = False
    batchnorm: bool = True
    resize: int | None = None
    crop: int | None = None
    channels: str | None = None
    padding: str | None = None
    halving: bool = False


@dataclass(frozen=True)
class PlannedSearch:
    """A search that is fully specified and not yet run.

    Attributes:
        specification: What it is.
        source: Its images, split.
        out: The study's folder.
    """

    specification: SearchSpec
    source: DecodedSource
    out: Path


@dataclass(frozen=True)
class Place:
    """Where a search is kept, and who works on it.

    Attributes:
        workers: How many trials run at once; None chooses.
        storage: A shared database's URL; None for the study's own folder.
        study: What the study is called in the database; the folder's usual name by default.
        grace_seconds: How long a trial of another process may go unchanged before it is taken up.
        ray: A Ray cluster's address; None for this machine.
    """

    workers: int | None = None
    storage: str | None = None
    study: str | None = None
    grace_seconds: float = GRACE_SECONDS
    ray: str | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise NormscopeError(
                f"--workers must be at least 1, got {self.workers}. Give a larger number."
            )
        if not self.grace_seconds > 0:
            raise NormscopeError(
                f"--grace must be > 0 seconds, got {self.grace_seconds}. Give a larger number."
            )
        if self.study is not None and self.storage is None:
            raise NormscopeError(
                "--study must be given with --storage, got it alone. Leave it out: a folder holds "
                "one study."
            )


def search(
    source: str = "digits",
    *,
    over: Sequence[str] = (),
    at: Sequence[str] = (),
    preset: str | None = None,
    trials: int = DEFAULT_TRIALS,
    sampler: str = "tpe",
    replicates: int = DEFAULT_REPLICATES,
    norm: str = "data",
    seed: int = 0,
    model: str = "lenet",
    recipe: str | None = None,
    epochs: int | None = None,
    train_images: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    trainer: str = "fast",
    threads: int = 1,
    workers: int | None = None,
    storage: str | None = None,
    study: str | None = None,
    grace_seconds: float = GRACE_SECONDS,
    ray: str | None = None,
    out: str | Path | None = None,
    root: Path | None = None,
    strict: bool = False,
    weights: str | Path | None = None,
    new_head: bool = False,
    batchnorm: bool = True,
    resize: int | None = None,
    crop: int | None = None,
    channels: str | None = None,
    padding: str | None = None,
    halving: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> SearchStudy:
    """Let a sampler look for the best numbers, then repeat the best it found with fresh seeds.

    Called again, it goes on to exactly ``trials`` trials; several processes with one ``storage``
    work on one study. A script that runs several workers must call it under
    ``if __name__ == "__main__"``.

    Args:
        source: A name such as ``"mnist"``, or a folder of images.
        over: What varies, each ``NAME=LOW:HIGH`` or ``NAME=LOW:HIGH:log``.
        at: What is held fixed at other than its usual value, each ``NAME=VALUE``.
        preset: A published search's ranges, in ``SEARCH_PRESETS``, in place of ``over``.
        trials: How many trials are wanted in all.
        sampler: ``"tpe"``, ``"gp"``, ``"qmc"``, ``"random"`` or ``"cmaes"``.
        replicates: How many fresh seeds the best configurations are repeated with.
        norm: The normalization where it is not varied, as ``train`` has it.
        seed: Seeds the sampler and every trial of the search; replicates have the next seeds.
        model: ``"lenet"`` or ``"package.module:factory"``.
        recipe: A recipe's name; the model's own by default.
        epochs: Replaces the recipe's number of epochs.
        train_images: Train on so many images only, each class in its share.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        precision: ``"auto"``, ``"fp32"`` or ``"bf16"``.
        trainer: ``"fast"``, or ``"plain"`` to check it against.
        threads: CPU threads of each trial; results depend on their number.
        workers: How many trials run at once.
        storage: A shared database's URL; the study's own folder by default.
        study: What the study is called in that database.
        grace_seconds: How long a trial of another process may go unchanged before it is taken up.
        ray: A Ray cluster's address, or ``"auto"``.
        out: The study's folder; ``runs/SOURCE-MODEL-search`` by default.
        root: Where named data sets are looked for first.
        strict: Whether an image that cannot be read is an error.
        weights: A file of weights to start from, or ``"default"`` for the library's own.
        new_head: Whether the last layer is replaced by a fresh one for the source's classes.
        batchnorm: False to leave every BatchNorm out.
        resize: Length in pixels that each image's shorter side is brought to.
        crop: Side in pixels of the square around the centre that is kept.
        channels: ``"rgb"`` to give grey images three equal channels.
        padding: ``"before"`` or ``"after"``: whether random crops pad before normalizing.
        halving: Whether poor trials are stopped early, so that a search costs a fraction.
        on_progress: Called with the finished and the wanted number of trials.

    Returns:
        The search.
    """
    given = locals()
    return run_search(
        plan_search(by_name(SearchOptions, given)), by_name(Place, given), on_progress
    )


def plan_search(options: SearchOptions) -> PlannedSearch:
    """Check a search and specify it fully, without running anything.

    Args:
        options: What the user says.

    Returns:
        The planned search.
    """
    from normscope.studies.scan_planning import ScanOptions, plan_scan

    over, at = _over_and_at(options)
    # What all trials share is prepared as for a scan, of which this is one cell.
    cell = plan_scan(by_name(ScanOptions, {**vars(ScanOptions()), **vars(options), **ONE_CELL}))
    data = cell.specification.data
    shared = cell.specification.trial(
        resolve_normalization(options.norm, data, options.model), options.seed
    )
    # A frozen network gives the same with every seed.
    most = options.replicates if shared.recipe.trains else min(options.replicates, 1)
    unfixed = SearchSpec(shared, data, over, options.sampler, options.trials, most, options.halving)
    specification = replace(unfixed, trial=unfixed.trial_at(at))
    for bound in ("low", "high"):
        trial = specification.trial_at({r.name: getattr(r, bound) for r in over})
        trial.normalization.for_channels(cell.source.channels)
    out = _usual_folder(specification) if options.out is None else Path(options.out)
    return PlannedSearch(specification, cell.source, out)


def run_search(
    plan: PlannedSearch,
    place: Place | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> SearchStudy:
    """Run what remains of a planned search; every finished trial is saved at once.

    Args:
        plan: The search.
        place: Where it is kept and run.
        on_progress: Called with the finished and the wanted number of trials, replicates among
            them.

    Returns:
        The search.
    """
    place = place or Place()
    specification = plan.specification
    if place.storage is not None:
        open_url(place.storage)  # a wrong one is found before a folder is made for the study
    # A cluster that cannot be reached is found before a folder is made, too.
    with ray_cluster(place.ray) if place.ray else nullcontext(), locked(plan.out):
        study = SearchStudy.create(
            plan.out, specification, place.storage, place.study or _usual_name(place, plan)
        )
        alone = place.storage is None
        with study.storage.answering():
            choosing, repeating = study.claims(alone=alone, grace_seconds=place.grace_seconds)
            first = Choosing(specification, choosing)
            # As many as the best may be; the same values may be chosen twice.
            expected = first.total + specification.replicates * (
                min(BEST_CONFIGURATIONS, first.total) + len(references(specification))
            )
            missing = max(1, expected - first.finished())
            report = on_progress or (lambda _done, _total: None)
            with _executor(plan, place, missing) as executor:
                with choosing.beating():
                    drive(first, executor, lambda done, _: report(done, expected))
                second = Repeating(repeated(specification, study.trials()), repeating)
                all_ = first.total + second.total
                with repeating.beating():
                    drive(second, executor, lambda done, _: report(first.total + done, all_))
    return study


STACKED_AT_ONCE = 32
"""Trials that a GPU trains as one stack: more are quicker, fewer let the sampler learn sooner."""


def _executor(plan: PlannedSearch, place: Place, missing: int) -> AbstractContextManager[Executor]:
    return open_executor(
        plan.source,
        plan.specification.trial,
        missing,
        place.workers,
        stack=STACKED_AT_ONCE,
        ray=place.ray,
    )


def _usual_name(place: Place, plan: PlannedSearch) -> str | None:
    # Processes of one study have each their own folder, whose names may differ.
    return None if place.storage is None else _usual_folder(plan.specification).name


def _usual_folder(specification: SearchSpec) -> Path:
    from normscope.studies.scan_planning import default_folder

    folder = default_folder(specification.trial.source, specification.trial.model)
    return folder.with_name(f"{folder.name}-search")


def _over_and_at(options: SearchOptions):
    over, at = list(options.over), parse_fixed(options.at)
    if options.preset is not None:
        if options.preset not in SEARCH_PRESETS:
            raise UnknownName("--preset", options.preset, SEARCH_PRESETS)
        if over:
            raise NormscopeError(
                "what varies must be given once, got --preset and also --over. "
                "Leave one of them out."
            )
        preset = SEARCH_PRESETS[options.preset]
        over, at = list(preset.over), parse_fixed(preset.at) | at
    ranges = parse_ranges(over)
    both = next((range_.name for range_ in ranges if range_.name in at), None)
    if both is not None:
        raise NormscopeError(
            f"a parameter must be varied or fixed, got {both} in both --over and --at. "
            "Leave it out of one."
        )
    return ranges, at
