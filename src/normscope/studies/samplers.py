"""Optuna's samplers by name, seeded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from normscope.errors import NormscopeError, UnknownName
from normscope.quiet import without_warnings

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

SAMPLERS = ("tpe", "gp", "qmc", "random", "cmaes")


def check_sampler(name: str, parameters: int) -> None:
    """Refuse a sampler that is not known or cannot serve.

    Args:
        name: In ``SAMPLERS``.
        parameters: How many the search varies.

    Raises:
        UnknownName: If the name is unknown.
        NormscopeError: If CMA-ES is asked for one parameter.
    """
    if name not in SAMPLERS:
        raise UnknownName("--sampler", name, SAMPLERS)
    if name == "cmaes" and parameters < 2:
        raise NormscopeError(
            "--sampler cmaes must be given at least two parameters, got one. Use --sampler tpe."
        )


def make_sampler(name: str, seed: int, slot: int) -> BaseSampler:
    """A sampler for one trial of a search.

    A sampler seeded anew by the search's seed alone would, after a resume or in a second process,
    draw its first choices again; so the trial's place in the search is part of the seed. ``random``
    then gives a trial the same values wherever and whenever it is asked for.

    Args:
        name: In ``SAMPLERS``.
        seed: The search's.
        slot: The trial's place in the search.

    Returns:
        The sampler. All of them count trials that still run: TPE by the constant liar, the Gaussian
        process by its own model of them.
    """
    from optuna import samplers
    from optuna.exceptions import ExperimentalWarning

    own = int(np.random.SeedSequence((seed, slot)).generate_state(1)[0])
    with without_warnings(ExperimentalWarning):
        if name == "tpe":
            return samplers.TPESampler(seed=own, multivariate=True, constant_liar=True)
        if name == "gp":
            return samplers.GPSampler(seed=own)
        if name == "qmc":
            # One scrambled sequence for all processes, whose place is kept in the study.
            return samplers.QMCSampler(
                seed=seed % 2**32, scramble=True, warn_independent_sampling=False
            )
        if name == "cmaes":
            return samplers.CmaEsSampler(seed=own, warn_independent_sampling=False)
        return samplers.RandomSampler(seed=own)
