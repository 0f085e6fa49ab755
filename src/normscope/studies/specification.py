"""What a scan is: everything that decides its numbers, as plain data."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from normscope.errors import NormscopeError
from normscope.normalization import NONE, Normalization
from normscope.studies.axis import Axis
from normscope.studies.parameters import point_of
from normscope.studies.study_file import SCHEMA, WrittenSpecification
from normscope.trials.plain_data import exactly
from normscope.trials.spec import TrialSpec
from normscope.wording import check_at_least, counted

SURVIVAL_SEEDS = 1_000_000
"""The first seed of survival trials, so that they never share one with a full training."""


MOST_TRIALS = 1_000_000
"""More are surely a slip of the keyboard, and would fill the memory before the first ends."""


@dataclass(frozen=True)
class ScanSpec(WrittenSpecification):
    """A grid of normalizations, each trained with the same seeds.

    Attributes:
        trial: What every trial shares; it has the first replicate's seed, and the normalization of
            the channels that no axis varies.
        data: The source's own statistics.
        mean: The grid's means for all channels together, if that is an axis.
        std: The grid's stds likewise, all above 0.
        seeds: How many replicates each cell has; they are seeded one after another.
        channel_axes: Axes of single channels, such as ``mean-r``.
        expected: What the model's library says its weights expect, a reference like ``data``.
        survival: How many more seeds each cell has that are trained only until they have left
            chance for good or are proved dead.

    Raises:
        NormscopeError: If a std is not above 0, or the seeds are none, or too many.
    """

    kind: ClassVar[str] = "scan"

    trial: TrialSpec
    data: Normalization
    mean: Axis | None
    std: Axis | None
    seeds: int
    channel_axes: tuple[Axis, ...] = ()
    expected: Normalization | None = None
    survival: int = 0

    def __post_init__(self) -> None:
        for axis in self.axes:
            if axis.name.startswith("std") and min(axis.values) <= 0:
                raise NormscopeError(
                    f"every std must be > 0, got --{axis.name} {axis.text}. Start the axis above 0."
                )
        check_at_least(0 if self.survival else 1, self.seeds, "--seeds")
        check_at_least(0, self.survival, "--survival")
        cells = math.prod(len(axis.values) for axis in self.axes)
        if cells * max(1, self.seeds + self.survival) > MOST_TRIALS:
            seeds = counted(self.seeds + self.survival, "seed")
            raise NormscopeError(
                f"a scan must have at most {MOST_TRIALS:,} trials, got {counted(cells, 'cell')} "
                f"with {seeds} each. Take fewer."
            )
        if self.trial.seed + self.seeds > SURVIVAL_SEEDS:
            raise NormscopeError(
                f"seeds must lie below {SURVIVAL_SEEDS}, where those of --survival begin, got "
                f"{self.seeds} from {self.trial.seed} on. Take fewer, or a lower --first-seed."
            )
        for option, number, usual in (
            ("seeds", self.seeds, 1),
            ("survival", self.survival, 0),
            ("first-seed", self.trial.seed, 0),
        ):
            if number != usual and not self.trial.recipe.trains:
                raise NormscopeError(
                    f"--{option} must be {usual} with --recipe {self.trial.recipe.name}, which "
                    f"draws nothing at random, got {number}. Leave it out."
                )

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The grid's axes, in the order of its dims."""
        shared = [axis for axis in (self.mean, self.std) if axis is not None]
        return (*shared, *self.channel_axes)

    def cells(self) -> dict[Normalization, tuple[int, ...]]:
        """The grid's normalizations, with the place of each along every axis."""
        base = point_of(self.trial)
        names = [axis.name for axis in self.axes]
        cells = {}
        for places in itertools.product(*(range(len(axis.values)) for axis in self.axes)):
            values = [axis.values[i] for axis, i in zip(self.axes, places, strict=True)]
            point = base.changed(dict(zip(names, values, strict=True)))
            cells[point.normalization] = places
        return cells

    def normalizations(self) -> list[Normalization]:
        """What is tried, each once.

        Returns:
            The references (the source's own statistics, none, and what the weights expect where
            that is known), then the cells.
        """
        references = [self.data, NONE, *([self.expected] if self.expected else [])]
        return list(dict.fromkeys([*references, *self.cells()]))

    def seed_numbers(self, *, survival: bool = False) -> range:
        """The seeds of the full trainings, one for each replicate, or of those of survival."""
        first = SURVIVAL_SEEDS if survival else self.trial.seed
        return range(first, first + (self.survival if survival else self.seeds))

    def trials(self) -> list[TrialSpec]:
        """Every trial of the scan, once: the full trainings, then those of survival alone.

        All with one seed come before any with the next, so that an interrupted scan has whole maps.

        Returns:
            The trials in the order in which they run.
        """
        return [*self.full_trials(), *self.survival_trials()]

    def full_trials(self) -> list[TrialSpec]:
        """The trials that are trained by the whole recipe."""
        return self._seeded(survival=False)

    def survival_trials(self) -> list[TrialSpec]:
        """The trials that are trained only until it is known whether they live."""
        return self._seeded(survival=True)

    def _seeded(self, *, survival: bool) -> list[TrialSpec]:
        every, seeds = self.normalizations(), self.seed_numbers(survival=survival)
        return [self.trial_at(n, seed, survival=survival) for seed in seeds for n in every]

    def trial_at(
        self, normalization: Normalization, seed: int, *, survival: bool = False
    ) -> TrialSpec:
        """The trial of one normalization and one seed.

        Args:
            normalization: What its images are normalized with.
            seed: Its seed.
            survival: Whether it is trained only until it is known whether it lives.

        Returns:
            The trial's full specification.
        """
        return replace(self.trial, normalization=normalization, seed=seed, survival=survival)

    def to_json(self) -> dict[str, Any]:
        """Every field as JSON and TOML have it; what is None is left out.

        Returns:
            A mapping that ``from_json`` reads back.
        """
        fields: dict[str, Any] = {
            "schema": SCHEMA,
            "kind": self.kind,
            "source": self.trial.source,
            "data": str(self.data),
            "mean": self.mean.text if self.mean else None,
            "std": self.std.text if self.std else None,
            "channel_axes": {axis.name: axis.text for axis in self.channel_axes} or None,
            "base": str(self.trial.normalization) if self.channel_axes else None,
            "seeds": self.seeds,
            "first_seed": self.trial.seed or None,
            "survival": self.survival or None,
            "expected": str(self.expected) if self.expected else None,
            **self.trial.to_json(),
        }
        del fields["normalization"], fields["seed"]
        return {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> ScanSpec:
        own = {name: fields.pop(name) for name in OWN_FIELDS if name in fields}
        # Where single channels are varied the shared axes may be absent.
        optional = "channel_axes" in own
        axes = [
            None if optional and name not in own else _axis(name, own[name])
            for name in ("mean", "std")
        ]
        base = {"normalization": own.get("base", own["data"]), "seed": own.get("first_seed", 0)}
        expected = own.get("expected")
        return cls(
            trial=TrialSpec.from_json({**fields, **base}),
            data=Normalization.parse(own["data"]),
            mean=axes[0],
            std=axes[1],
            channel_axes=tuple(
                _axis(name, text) for name, text in own.get("channel_axes", {}).items()
            ),
            seeds=exactly(int, own["seeds"]),
            survival=exactly(int, own.get("survival", 0)),
            expected=Normalization.parse(expected) if expected else None,
        )


def _axis(name: str, text: Any) -> Axis:
    return Axis.parse(name, exactly(str, text))


OWN_FIELDS = (
    "data", "mean", "std", "channel_axes", "base", "seeds", "first_seed", "survival", "expected",
)  # fmt: skip
"""Those of a written scan that are no trial's; the others are all that its trials share."""
