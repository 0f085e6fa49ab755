"""A search for the best numbers: what ``normscope search`` does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError, UnknownName
from normscope.keywords import check_kept
from normscope.options import by_keywords, callback
from normscope.progress import silent, watched
from normscope.studies.executors.opening import open_executor
from normscope.studies.known_trials import KnownTrials
from normscope.studies.options import Place, SearchOptions
from normscope.studies.ranges import parse_fixed, parse_ranges
from normscope.studies.scan_planning import default_folder
from normscope.studies.search_presets import SEARCH_PRESETS
from normscope.studies.search_specification import SearchSpec
from normscope.studies.search_study import SearchStudy
from normscope.studies.search_work import (
    BEST_CONFIGURATIONS,
    Choosing,
    references,
    repeated,
)
from normscope.studies.work_loop import at_work, drive
from normscope.trials.preparation import resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.images.decoded import DecodedSource

STACKED_AT_ONCE = 32
"""Trials that a GPU trains as one stack: more are quicker, fewer let the sampler learn sooner."""


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


@dataclass(frozen=True, kw_only=True)
class Searching(SearchOptions, Place):
    """A search with its place and what is to be told of it."""

    on_progress: Callable[[int, int], None] | None = callback(
        "Called with the finished and the wanted number of trials; by default a bar where you "
        "work interactively."
    )


@by_keywords(Searching)
def search(searching: Searching) -> SearchStudy:
    """Let a sampler search for the best numbers, then repeat the best with fresh seeds.

    Called again, it goes on to exactly ``trials`` trials; several processes with one ``storage``
    work on one study. Scripts need no ``if __name__ == "__main__"``, except where ``model`` is a
    factory in the script itself, ``__main__:factory``. The samplers are Optuna's (Akiba et al.,
    KDD 2019, doi:10.1145/3292500.3330701).

    Returns:
        The search, for ``summarize_search`` and ``report``.

    Raises:
        NormscopeError: If an option is wrong, the images cannot be used, or the model does not take
            them.
        SpecificationDiffers: If the folder or the database holds another search.
        StudyBusy: If another process works on the folder.
        WorkFailed: If an image cannot be read and ``strict`` holds, or the worker processes die.
    """
    with watched(None, "images") as update:
        plan = plan_search(searching, update)
    with watched(searching.on_progress, "trials") as update:
        return run_search(plan, searching, update)


def plan_search(
    options: SearchOptions, on_image: Callable[[int, int], None] | None = None
) -> PlannedSearch:
    """Check a search and specify it fully, without running anything.

    Args:
        options: What the user chose.
        on_image: Called with how many images are decoded and how many there are.

    Returns:
        The planned search.
    """
    check_kept(vars(options))
    over, at = _over_and_at(options)
    prepared = resolve(options, usual_threads=1, cells=1, on_image=on_image)
    # A frozen network gives the same with every seed.
    trains = prepared.trial.recipe.trains
    unfixed = SearchSpec(
        trial=prepared.trial,
        data=prepared.data,
        over=over,
        sampler=options.sampler,
        trials=options.trials,
        replicates=options.replicates if trains else min(options.replicates, 1),
        halving=options.halving,
    )
    specification = replace(unfixed, trial=unfixed.trial_at(at))
    for bound in ("low", "high"):
        trial = specification.trial_at({r.name: getattr(r, bound) for r in over})
        trial.normalization.for_channels(prepared.source.channels)
    out = _usual_folder(specification) if options.out is None else Path(options.out)
    return PlannedSearch(specification, prepared.source, out)


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
    with at_work(plan.out, place):
        usual = _usual_folder(specification)
        study = SearchStudy.create(plan.out, specification, place.storage, place.name_beside(usual))
        alone = place.storage is None
        with study.storage.answering():
            choosing, repeating = study.claims(alone=alone, grace_seconds=place.grace_seconds)
            first = Choosing(specification, choosing)
            # As many as the best may be; the same values may be chosen twice.
            expected = first.total + specification.replicates * (
                min(BEST_CONFIGURATIONS, first.total) + len(references(specification))
            )
            missing = max(1, expected - first.finished())
            report = on_progress or silent
            with open_executor(
                plan.source, specification.trial, missing, place.workers,
                stack=STACKED_AT_ONCE, ray=place.ray,
            ) as executor:  # fmt: skip
                report(first.finished(), expected)
                with choosing.beating():
                    drive(first, executor, lambda done, _: report(done, expected))
                second = KnownTrials(repeated(specification, study.trials()), repeating)
                all_ = first.total + second.total
                report(first.total + second.finished(), all_)
                with repeating.beating():
                    drive(second, executor, lambda done, _: report(first.total + done, all_))
    return study


def _usual_folder(specification: SearchSpec) -> Path:
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
