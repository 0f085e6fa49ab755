"""Which estimator of a collection, if any, given constants look like."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from normscope.normalization import Normalization

if TYPE_CHECKING:
    from collections.abc import Mapping

    from normscope.statistics.estimators import Estimate

FAR = 3.0
"""Beyond so many standard errors in any channel an estimator does not explain a constant."""


@dataclass(frozen=True)
class Explanation:
    """How far constants are from each estimator.

    Attributes:
        constants: As the user wrote them.
        mean: For each estimator of the mean, one distance per channel in standard errors; None
            where the standard error is unknown.
        std: Likewise for each estimator of the std.
        sentence: Which estimators explain them best, or that none does.
    """

    constants: str
    mean: Mapping[str, tuple[float | None, ...]]
    std: Mapping[str, tuple[float | None, ...]]
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """The explanation as JSON has it."""
        return {
            "constants": self.constants,
            "mean": {name: list(distances) for name, distances in self.mean.items()},
            "std": {name: list(distances) for name, distances in self.std.items()},
            "sentence": self.sentence,
        }


def explain(
    constants: str, means: Mapping[str, Estimate], stds: Mapping[str, Estimate]
) -> Explanation:
    """Compare constants with a collection's estimators.

    A distance is signed, positive where the constant is larger. Constants are taken as rounded:
    half a unit of their last decimal is no distance. The standard errors are this collection's;
    constants from a small sample have an error of their own, which is not known.

    Args:
        constants: ``MEAN/STD`` or a preset's name.
        means: The collection's estimates of the mean by name.
        stds: The collection's estimates of the std by name.

    Returns:
        The distances and a sentence.
    """
    channels = len(next(iter(means.values())).value)
    normalization = Normalization.parse(constants).for_channels(channels)
    mean = {name: _distances(normalization.mean, e) for name, e in means.items()}
    std = {name: _distances(normalization.std, e) for name, e in stds.items()}
    sentence = f"{constants}: {_part('mean', mean)}; {_part('std', std)}."
    return Explanation(constants, mean, std, sentence)


def _distances(constants: tuple[float, ...], estimate: Estimate) -> tuple[float | None, ...]:
    return tuple(
        _distance(constant, value, se)
        for constant, value, se in zip(constants, estimate.value, estimate.se, strict=True)
    )


def _distance(constant: float, value: float, se: float | None) -> float | None:
    difference = constant - value
    exponent = int(Decimal(repr(constant)).normalize().as_tuple().exponent)
    rounding = 0.5 * 10.0**exponent if exponent < 0 else 0.0
    beyond = max(0.0, abs(difference) - rounding)
    if beyond == 0:
        return 0.0
    return None if not se else math.copysign(beyond / se, difference)


def _part(what: str, distances: Mapping[str, tuple[float | None, ...]]) -> str:
    known = {
        name: [abs(d) for d in values if d is not None]
        for name, values in distances.items()
        if None not in values
    }
    if not known:
        return f"the {what} cannot be judged without standard errors"
    best = min(known, key=lambda name: sum(d * d for d in known[name]))
    worst = max(known[best])
    if worst <= FAR:
        return (
            f"the {what} is best explained by the {best} "
            f"(at most {worst:.1f} standard errors away{_others(known, best)})"
        )
    return (
        f"no estimator here explains the {what}; "
        f"the nearest is the {best}, {worst:.1f} standard errors away"
    )


def _others(known: Mapping[str, list[float]], best: str) -> str:
    others = [f"{name} {max(values):.1f}" for name, values in known.items() if name != best]
    return f"; {', '.join(others)}" if others else ""
