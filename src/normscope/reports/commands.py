"""The command that repeats a study, an audit or a check."""

from __future__ import annotations

import shlex
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from normscope.options import declared
from normscope.studies.options import ScanOptions, SearchOptions
from normscope.trials.recipe import RECIPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from normscope.studies.search_specification import SearchSpec
    from normscope.studies.specification import ScanSpec
    from normscope.trials.options import TrialOptions
    from normscope.trials.recipe import Recipe
    from normscope.trials.spec import TrialSpec


def scan_command(specification: ScanSpec) -> str:
    """The line for a shell that repeats a scan, every word quoted where it has to be."""
    trial = specification.trial
    said = {
        **{axis.name: axis.text for axis in specification.axes},
        "norm": trial.normalization if specification.channel_axes else None,
        "seeds": specification.seeds if trial.recipe.trains else None,
        "survival": specification.survival or None,
    }
    return _line("scan", ScanOptions, trial, said)


def search_command(specification: SearchSpec) -> str:
    """The line for a shell that repeats a search, every word quoted where it has to be."""
    trial = specification.trial
    said = {
        "over": [
            f"{r.name}={r.low!r}:{r.high!r}{':log' if r.log else ''}" for r in specification.over
        ],
        "at": [f"lr={trial.recipe.lr!r}"] * (trial.recipe.lr != RECIPES[trial.recipe.name].lr),
        "norm": trial.normalization,
        "trials": specification.trials,
        "sampler": specification.sampler,
        "replicates": specification.replicates,
        "halving": specification.halving,
    }
    return _line("search", SearchOptions, trial, said)


def options_command(command: str, model: str, images: str, options: Mapping[str, Any]) -> str:
    """The line for a shell that repeats an audit or a check, every word quoted where it has to be.

    Args:
        command: ``audit`` or ``check``.
        model: What the network was called.
        images: Where its images lay.
        options: What the user asked for, by the names of the options.

    Returns:
        The line.
    """
    given = [
        f"--{name.replace('_', '-')}{'' if value is True else f'={value}'}"
        for name, value in options.items()
        if value is not None and value is not False
    ]
    return shlex.join(["normscope", command, model, f"--images={images}", *given])


def _line(command: str, kind: type[TrialOptions], trial: TrialSpec, said: dict[str, Any]) -> str:
    """The command with what a study says, and every option that its trials differ by."""
    said["recipe"] = trial.recipe.name
    words = []
    for field, option in declared(kind):
        name = option.flag or f"--{field.name.replace('_', '-')}"
        value = said.get(name.removeprefix("--"))
        if value is None and option.kept and not _idle(option.kept, trial.recipe):
            value = attrgetter(option.kept)(trial)
        if option.argument or value is None or value == field.default:
            continue
        values = value if isinstance(value, list) else [value]
        words += [name] if isinstance(value, bool) else [f"{name}={v}" for v in values]
    return shlex.join(["normscope", command, trial.source, *words])


def _idle(kept: str, recipe: Recipe) -> bool:
    """Whether an option must be left out with this recipe."""
    return (kept == "recipe.epochs" and not recipe.trains) or (
        kept == "recipe.padding" and not recipe.augment
    )
