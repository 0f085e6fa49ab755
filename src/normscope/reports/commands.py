"""The command that repeats a study."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from normscope.trials.recipe import RECIPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from normscope.studies.search_specification import SearchSpec
    from normscope.studies.specification import ScanSpec
    from normscope.trials.spec import TrialSpec


def scan_command(specification: ScanSpec) -> str:
    """The command that repeats a scan.

    Args:
        specification: The scan.

    Returns:
        A line for a shell, every word quoted where it has to be.
    """
    scale = specification.init_scale
    options = {
        **{axis.name: axis.text for axis in specification.axes},
        "norm": specification.base,
        "seeds": specification.seeds if specification.recipe.trains else None,
        "survival": specification.survival or None,
        "first-seed": specification.first_seed or None,
        "half-width": specification.half_width,
        "weight-init": scale.weight if scale.weight != 1 else None,
        "bias-init": scale.bias if scale.bias != 1 else None,
    }
    return _line("scan", specification, options)


def search_command(specification: SearchSpec) -> str:
    """The command that repeats a search.

    Args:
        specification: The search.

    Returns:
        A line for a shell, every word quoted where it has to be.
    """
    trial = specification.trial
    options = {
        "norm": trial.normalization,
        "trials": specification.trials,
        "sampler": specification.sampler,
        "replicates": specification.replicates,
        "seed": trial.seed,
    }
    over = [
        f"--over={r.name}={r.low!r}:{r.high!r}{':log' if r.log else ''}" for r in specification.over
    ]
    usual = {"weight-init": 1.0, "bias-init": 1.0, "lr": RECIPES[trial.recipe.name].lr}
    scale = trial.init_scale
    fixed = {"weight-init": scale.weight, "bias-init": scale.bias, "lr": trial.recipe.lr}
    varied = {r.name for r in specification.over}
    at = [f"--at={n}={v!r}" for n, v in fixed.items() if v != usual[n] and n not in varied]
    return _line("search", trial, options, *over, *at, *["--halving"] * specification.halving)


def _line(
    command: str, trial: ScanSpec | TrialSpec, options: Mapping[str, Any], *first: str
) -> str:
    recipe, model, images = trial.recipe, trial.options, trial.images
    every = {
        **options,
        "model": trial.model,
        "weights": model.weights,
        "recipe": recipe.name,
        "epochs": recipe.epochs if recipe.trains else None,
        "train-images": trial.train_images,
        "padding": recipe.padding if recipe.augment else None,
        "resize": images.resize,
        "crop": images.crop,
        "channels": images.channels,
        "device": trial.device,
        "precision": trial.precision,
        "trainer": trial.trainer,
        "threads": trial.threads,
    }
    given = [f"--{name}={value}" for name, value in every.items() if value is not None]
    given += ["--new-head"] * model.new_head
    given += ["--no-batchnorm"] * (not model.batchnorm)
    return shlex.join(["normscope", command, trial.source, *first, *given])
