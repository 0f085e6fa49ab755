"""The numbers that a study may vary, by name, and what each changes in a trial."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from normscope.errors import ChannelMismatch, UnknownName
from normscope.init_scale import InitScale
from normscope.normalization import Normalization

if TYPE_CHECKING:
    from collections.abc import Mapping

    from normscope.trials.spec import TrialSpec

CHANNEL_LETTERS = ("r", "g", "b")
"""Red, green and blue, in the order of an image's channels."""

CHANNEL_PARAMETERS = tuple(f"{kind}-{letter}" for kind in ("mean", "std") for letter in "rgb")
NORMALIZATION_PARAMETERS = ("mean", "std", *CHANNEL_PARAMETERS)
INIT_PARAMETERS = ("weight-init", "bias-init")
POINT_PARAMETERS = (*NORMALIZATION_PARAMETERS, *INIT_PARAMETERS)
"""The normalization of all channels, of one channel, and the initialization."""

RECIPE_PARAMETERS = ("lr", "epochs")
WHOLE_PARAMETERS = ("epochs",)
PARAMETERS = (*POINT_PARAMETERS, *RECIPE_PARAMETERS)
"""Every name: a point's, and a recipe's own numbers."""


@dataclass(frozen=True)
class Point:
    """One choice of everything that a study may vary.

    Attributes:
        normalization: What images are normalized with.
        init_scale: Factors on the first layer's initialization.
    """

    normalization: Normalization
    init_scale: InitScale = field(default_factory=InitScale)

    def changed(self, values: Mapping[str, float]) -> Point:
        """The same point with some of its numbers replaced.

        ``mean`` and ``std`` stand for all channels; ``mean-r`` and its like replace one of three,
        after them. What is not named stays as it is.

        Args:
            values: Numbers by names in ``POINT_PARAMETERS``.

        Returns:
            The new point.

        Raises:
            UnknownName: If a name is no parameter's.
            ChannelMismatch: If one of three channels is named and there are not three.
            NormscopeError: If a number is out of its range.

        Example:
            >>> point = Point(Normalization(0.5, 0.25))
            >>> str(point.changed({"mean": 0.1, "std-r": 0.2}).normalization)
            '0.1,0.1,0.1/0.2,0.25,0.25'
        """
        for name in values:
            if name not in POINT_PARAMETERS:
                raise UnknownName("parameter", name, POINT_PARAMETERS)
        normalization = Normalization(
            _channels("mean", self.normalization.mean, values),
            _channels("std", self.normalization.std, values),
        )
        return Point(
            normalization,
            InitScale(
                values.get("weight-init", self.init_scale.weight),
                values.get("bias-init", self.init_scale.bias),
            ),
        )

    def value(self, name: str) -> float | None:
        """The number that a parameter has here.

        Args:
            name: In ``POINT_PARAMETERS``.

        Returns:
            The number; None for ``mean`` or ``std`` where the channels differ, and for a channel
            that there is not.
        """
        if name in INIT_PARAMETERS:
            return self.init_scale.weight if name == "weight-init" else self.init_scale.bias
        kind, _, letter = name.partition("-")
        numbers = self.normalization.mean if kind == "mean" else self.normalization.std
        if not letter:
            return numbers[0] if len(set(numbers)) == 1 else None
        if len(numbers) == 1:
            return numbers[0]
        return numbers[CHANNEL_LETTERS.index(letter)] if len(numbers) == 3 else None


def point_of(trial: TrialSpec) -> Point:
    """What a trial chooses of all that a study may vary."""
    return Point(trial.normalization, trial.init_scale)


def with_values(trial: TrialSpec, values: Mapping[str, float]) -> TrialSpec:
    """The same trial with some of its numbers replaced.

    Args:
        trial: Any trial.
        values: Numbers by names in ``PARAMETERS``; see ``Point.changed``.

    Returns:
        The new trial.
    """
    of_recipe = {name: values[name] for name in RECIPE_PARAMETERS if name in values}
    point = point_of(trial).changed({n: v for n, v in values.items() if n not in of_recipe})
    numbers = {n: int(v) if n in WHOLE_PARAMETERS else float(v) for n, v in of_recipe.items()}
    return replace(
        trial,
        normalization=point.normalization,
        init_scale=point.init_scale,
        recipe=replace(trial.recipe, **numbers),
    )


def _channels(
    kind: str, before: tuple[float, ...], values: Mapping[str, float]
) -> tuple[float, ...]:
    numbers = (float(values[kind]),) if kind in values else before
    single = {i: f"{kind}-{c}" for i, c in enumerate(CHANNEL_LETTERS) if f"{kind}-{c}" in values}
    if not single:
        return numbers
    if len(numbers) not in {1, 3}:
        raise ChannelMismatch(
            f"--{next(iter(single.values()))} must be used with three channels, "
            f"got a normalization of {len(numbers)}. Use --mean and --std."
        )
    every = list(numbers) * (3 // len(numbers))
    for channel, name in single.items():
        every[channel] = float(values[name])
    return tuple(every)
