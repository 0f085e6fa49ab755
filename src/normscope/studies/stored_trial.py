"""A finished trial as a study keeps it: plain values, and its point on the axes for Optuna."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from normscope.errors import NormscopeError
from normscope.studies.parameters import point_of
from normscope.trials.result import FinishedTrial
from normscope.trials.spec import TrialSpec
from normscope.trials.stored_result import result_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna.trial import FrozenTrial

    from normscope.studies.specification import ScanSpec
    from normscope.trials.result import TrialResult


def attributes_of(spec: TrialSpec, result: TrialResult) -> dict[str, Any]:
    """What Optuna keeps with a finished trial.

    Two attributes rather than one per number: each is a row of its own, written in turn.

    Returns:
        Plain values that ``trial_of`` reads back.
    """
    return {"trial": spec.to_json(), "result": result.to_json()}


def trial_of(attributes: Mapping[str, Any]) -> FinishedTrial:
    """The trial that ``attributes_of`` gave, as Optuna keeps it in a trial's user attributes."""
    return FinishedTrial(TrialSpec.from_json(attributes["trial"]), result_of(attributes["result"]))


def kept_trial(trial: FrozenTrial, study: str, shown: str) -> FinishedTrial:
    """A finished trial out of a database.

    Args:
        trial: As Optuna has it.
        study: What its study is called, for errors.
        shown: What the database is called, for errors.

    Returns:
        The trial.

    Raises:
        NormscopeError: If it is damaged.
    """
    try:
        return trial_of(trial.user_attrs)
    except (KeyError, TypeError, ValueError, NormscopeError) as error:
        met = f"no {error}" if isinstance(error, KeyError) else str(error).partition(". ")[0]
        raise NormscopeError(
            f"trial {trial.number} of the study '{study}' in {shown} must be as normscope wrote "
            f"it, got {met}. Restore the database, or choose another --out."
        ) from None


def point_for_optuna(
    spec: TrialSpec, specification: ScanSpec
) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """Where a trial lies on its study's axes, for Optuna's own tools.

    Args:
        spec: The trial.
        specification: Its study.

    Returns:
        Optuna's parameters and their distributions: the seed, and the value on every axis, unless
        it has none on one of them, as a reference may.
    """
    seeds = specification.seed_numbers(survival=spec.survival)
    seed = {"seed": spec.seed}
    seed_range: dict[str, BaseDistribution] = {"seed": IntDistribution(seeds[0], seeds[-1])}
    params: dict[str, Any] = {**seed}
    distributions = {**seed_range}
    for axis in specification.axes:
        value = point_of(spec).value(axis.name)
        if value is None or (axis.log and value <= 0):
            return seed, seed_range
        low, high = min(*axis.values, value), max(*axis.values, value)
        params[axis.name] = value
        distributions[axis.name] = FloatDistribution(low, high, log=axis.log)
    return params, distributions
