"""Which estimator of a collection, if any, given constants look like."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from normscope.normalization import PRESETS, Normalization
from normscope.statistics.estimators import Estimate

if TYPE_CHECKING:
    from collections.abc import Mapping


FAR = 3.0
"""Beyond so many standard errors in any channel an estimator does not explain a constant."""

ROUNDED = 1e-9
"""Less is what the arithmetic loses."""


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
    if not (_explained(mean) and _explained(std)):
        mistake = _mistake(normalization, means, stds)
        sentence = sentence if mistake is None else f"{constants}: {mistake}."
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


Known = Callable[[tuple[float, ...]], tuple[float, ...]]


def _times(factor: float) -> Known:
    return lambda values: tuple(factor * value for value in values)


def _reversed(factor: float = 1.0) -> Known:
    return lambda values: tuple(factor * value for value in values[::-1])


MISTAKES: tuple[tuple[Known, Known, str], ...] = (
    (_times(255), _times(255), "these images' statistics for pixels of 0..255; divide both by 255"),
    (
        _times(1 / 255),
        _times(1 / 255),
        "these images' statistics divided by 255 once too often; multiply both by 255",
    ),
    (
        _reversed(),
        _reversed(),
        "these images' statistics with the channels in reverse order (BGR for RGB); reverse them",
    ),
    (
        _reversed(255),
        _reversed(255),
        "these images' statistics for pixels of 0..255 in reverse order (BGR); divide and reverse",
    ),
    (
        lambda values: tuple(1 - value for value in values),
        lambda values: values,
        "these images' statistics with 1 - mean for the mean; take the images as they are",
    ),
    (
        lambda values: tuple(-value for value in values),
        lambda values: values,
        "these images' statistics with a mean of the wrong sign",
    ),
)
"""What constants of these images become by a usual mistake: the mean's and the std's, and what is
said of them."""


def _mistake(
    given: Normalization, means: Mapping[str, Estimate], stds: Mapping[str, Estimate]
) -> str | None:
    """The usual mistake that explains constants to within their digits, if one does."""
    for of_mean, of_std, text in MISTAKES:
        if _fits(given.mean, means, of_mean) and _fits(given.std, stds, of_std):
            return f"they are {text}"
    if given in {
        preset.for_channels(given.channels)
        for preset in PRESETS.values()
        if preset.channels in {1, given.channels}
    }:
        return None
    if given.mean == given.std and _fits(given.mean, means, lambda values: values):
        return "the std is a copy of the mean, which is these images' own"
    if given.mean == given.std and _fits(given.std, stds, lambda values: values):
        return "the mean is a copy of the std, which is these images' own"
    if any(0 < m < 1 and s * s > m * (1 - m) for m, s in zip(given.mean, given.std, strict=True)):
        return "no images in [0, 1] with this mean have so large a std"
    return None


def _fits(constants: tuple[float, ...], estimates: Mapping[str, Estimate], change: Known) -> bool:
    """Whether an estimator, changed by a mistake, gives the constants in every channel."""
    for estimate in estimates.values():
        value = change(estimate.value)
        # A mistake moves an estimate as it moves its ends.
        ends = change(tuple(v + (se or 0.0) for v, se in zip(*estimate, strict=True)))
        se = tuple(abs(end - v) for end, v in zip(ends, value, strict=True))
        distances = _distances(constants, Estimate(value, se))
        if all(d is not None and abs(d) <= FAR for d in distances):
            return True
    return False


def _explained(distances: Mapping[str, tuple[float | None, ...]]) -> bool:
    """Whether an estimator is near in every channel, or nothing can be told."""
    known = [values for values in distances.values() if None not in values]
    return not known or any(max(abs(d or 0.0) for d in values) <= FAR for values in known)


def _part(what: str, distances: Mapping[str, tuple[float | None, ...]]) -> str:
    known = {
        name: [abs(d) for d in values if d is not None]
        for name, values in distances.items()
        if None not in values
    }
    if not known:
        return f"the {what} cannot be judged without standard errors"
    # By the distance that is said, and then by all channels together.
    best = min(known, key=lambda name: (max(known[name]), sum(d * d for d in known[name])))
    worst = max(known[best])
    if worst <= FAR:
        return f"the {what} is best explained by the {best} ({_away(worst)}{_others(known, best)})"
    return (
        f"no estimator here explains the {what}; "
        f"the nearest is the {best}, {worst:.1f} standard errors away"
    )


def _away(worst: float) -> str:
    if worst < ROUNDED:
        return "to all the digits given"
    return f"at most {max(worst, 0.1):.1f} standard errors away"


def _others(known: Mapping[str, list[float]], best: str) -> str:
    others = [f"{name} {max(values):.1f}" for name, values in known.items() if name != best]
    unit = " standard errors away" if max(known[best]) < ROUNDED else ""
    return f"; {', '.join(others)}{unit}" if others else ""
