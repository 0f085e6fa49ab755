"""A finished trial as a study keeps it: plain values, and its point on the axes for Optuna."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from normscope.studies.parameters import point_of
from normscope.studies.specification import SURVIVAL_SEEDS
from normscope.trials.result import FinishedTrial, TrialResult
from normscope.trials.spec import TrialSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna.trial import FrozenTrial

    from normscope.studies.specification import ScanSpec


def attributes_of(spec: TrialSpec, result: TrialResult) -> dict[str, Any]:
    """What Optuna keeps with a finished trial.

    Two attributes rather than one per number: each is a row of its own, written in turn.

    Args:
        spec: The trial.
        result: What it gave.

    Returns:
        Plain values that ``trial_of`` reads back.
    """
    return {"trial": spec.to_json(), "result": result.to_json()}


def trial_of(attributes: Mapping[str, Any]) -> FinishedTrial:
    """Read what ``attributes_of`` gave.

    Args:
        attributes: Plain values.

    Returns:
        The trial with its result.
    """
    return FinishedTrial(
        TrialSpec.from_json(attributes["trial"]), TrialResult(**attributes["result"])
    )


def finished_trial(trial: FrozenTrial) -> FinishedTrial:
    """What was kept with a finished trial.

    Args:
        trial: Optuna's.

    Returns:
        The trial with its result.
    """
    return trial_of(trial.user_attrs)


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
    if spec.survival:
        seeds = range(SURVIVAL_SEEDS, SURVIVAL_SEEDS + specification.survival)
    else:
        seeds = specification.seed_numbers()
    seed_alone = {"seed": spec.seed}, {"seed": IntDistribution(seeds[0], seeds[-1])}
    params: dict[str, Any] = {**seed_alone[0]}
    distributions: dict[str, BaseDistribution] = {**seed_alone[1]}
    for axis in specification.axes:
        value = point_of(spec).value(axis.name)
        if value is None or (axis.log and value <= 0):
            return {**seed_alone[0]}, {**seed_alone[1]}
        low, high = min(*axis.values, value), max(*axis.values, value)
        params[axis.name] = value
        distributions[axis.name] = FloatDistribution(low, high, log=axis.log)
    return params, distributions
