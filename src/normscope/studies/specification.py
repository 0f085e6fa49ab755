"""What a scan is: everything that decides its numbers, as plain data."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any, ClassVar

from normscope.errors import NormscopeError
from normscope.images.transform import ImageTransform
from normscope.init_scale import InitScale
from normscope.models.options import ModelOptions
from normscope.normalization import NONE, Normalization
from normscope.studies.axis import Axis
from normscope.studies.parameters import Point
from normscope.studies.study_file import SCHEMA, WrittenSpecification
from normscope.trials.recipe import Recipe
from normscope.trials.spec import TrialSpec, optional_from_json, optional_to_json

SURVIVAL_SEEDS = 1_000_000
"""The first seed of survival trials, so that they never share one with a full training."""


@dataclass(frozen=True)
class ScanSpec(WrittenSpecification):
    """A grid of normalizations, each trained with the same seeds.

    Attributes:
        source: The images, as the user named them.
        fingerprint: Digest of their pixels and labels.
        data: The source's own statistics.
        train_images: How many training images are used; None for all.
        model: A model's name or ``package.module:factory``.
        recipe: How it is trained.
        init_scale: Factors on the first layer's initialization.
        mean: The grid's means for all channels together, if that is an axis.
        std: The grid's stds likewise, all above 0.
        seeds: How many replicates each cell has; they are seeded one after another from
            ``first_seed``.
        device: Where trials run.
        threads: CPU threads of each trial.
        precision: What trials are computed in.
        trainer: What trains them, ``"fast"`` or ``"plain"``.
        options: The model's weights, and what is changed in it.
        images: What is done to each image.
        half_width: A frozen network is tested until its accuracy is known this well.
        expected: What the model's library says its weights expect, a reference like ``data``.
        channel_axes: Axes of single channels, such as ``mean-r``.
        base: What channels have that no axis varies.
        survival: How many more seeds each cell has that are trained only until they have left
            chance for good or are proved dead.
        first_seed: The first replicate's seed.

    Raises:
        NormscopeError: If a std is not above 0, or the seeds are none, or too many.
    """

    kind: ClassVar[str] = "scan"

    source: str
    fingerprint: str
    data: Normalization
    train_images: int | None
    model: str
    recipe: Recipe
    init_scale: InitScale
    mean: Axis | None
    std: Axis | None
    seeds: int
    device: str
    threads: int
    precision: str
    trainer: str = "fast"
    options: ModelOptions = field(default_factory=ModelOptions)
    images: ImageTransform = field(default_factory=ImageTransform)
    half_width: float | None = None
    expected: Normalization | None = None
    channel_axes: tuple[Axis, ...] = ()
    base: Normalization | None = None
    survival: int = 0
    first_seed: int = 0

    def __post_init__(self) -> None:
        for axis in self.axes:
            if axis.name.startswith("std") and min(axis.values) <= 0:
                raise NormscopeError(
                    f"every std must be > 0, got --{axis.name} {axis.text}. Start the axis above 0."
                )
        for option, number, least in (
            ("seeds", self.seeds, 0 if self.survival else 1),
            ("survival", self.survival, 0),
            ("first-seed", self.first_seed, 0),
        ):
            if number < least:
                raise NormscopeError(
                    f"--{option} must be at least {least}, got {number}. Give a larger number."
                )
        if self.first_seed + self.seeds > SURVIVAL_SEEDS:
            raise NormscopeError(
                f"seeds must lie below {SURVIVAL_SEEDS}, where those of --survival begin, got "
                f"{self.seeds} from {self.first_seed} on. Take fewer, or a lower --first-seed."
            )
        for option, number, usual in (
            ("seeds", self.seeds, 1),
            ("survival", self.survival, 0),
            ("first-seed", self.first_seed, 0),
        ):
            if number != usual and not self.recipe.trains:
                raise NormscopeError(
                    f"--{option} must be {usual} with --recipe {self.recipe.name}, which draws "
                    f"nothing at random, got {number}. Leave it out."
                )

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The grid's axes, in the order of its dims."""
        shared = [axis for axis in (self.mean, self.std) if axis is not None]
        return (*shared, *self.channel_axes)

    def cells(self) -> dict[Normalization, tuple[int, ...]]:
        """The grid's normalizations.

        Returns:
            The place of each along every axis.
        """
        base = Point(self.base or NONE)
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

    def seed_numbers(self) -> range:
        """The seeds of the full trainings.

        Returns:
            One for each replicate.
        """
        return range(self.first_seed, self.first_seed + self.seeds)

    def trials(self) -> list[TrialSpec]:
        """Every trial of the scan, once: the full trainings, then those of survival alone.

        All with one seed come before any with the next, so that an interrupted scan has whole maps.

        Returns:
            The trials in the order in which they run.
        """
        return [*self.full_trials(), *self.survival_trials()]

    def full_trials(self) -> list[TrialSpec]:
        """The trials that are trained by the whole recipe.

        Returns:
            The trials in the order in which they run.
        """
        every = self.normalizations()
        return [self.trial(n, seed) for seed in self.seed_numbers() for n in every]

    def survival_trials(self) -> list[TrialSpec]:
        """The trials that are trained only until it is known whether they live.

        Returns:
            The trials in the order in which they run.
        """
        every = self.normalizations()
        seeds = range(SURVIVAL_SEEDS, SURVIVAL_SEEDS + self.survival)
        return [self.trial(n, seed, survival=True) for seed in seeds for n in every]

    def trial(
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
        return TrialSpec(
            source=self.source,
            fingerprint=self.fingerprint,
            train_images=self.train_images,
            model=self.model,
            recipe=self.recipe,
            normalization=normalization,
            init_scale=self.init_scale,
            seed=seed,
            device=self.device,
            threads=self.threads,
            precision=self.precision,
            trainer=self.trainer,
            options=self.options,
            images=self.images,
            half_width=self.half_width,
            survival=survival,
        )

    def to_json(self) -> dict[str, Any]:
        """Every field as JSON and TOML have it; what is None is left out.

        Returns:
            A mapping that ``from_json`` reads back.
        """
        fields: dict[str, Any] = {
            "schema": SCHEMA,
            "kind": "scan",
            "source": self.source,
            "fingerprint": self.fingerprint,
            "data": str(self.data),
            "train_images": self.train_images,
            "model": self.model,
            "mean": self.mean.text if self.mean else None,
            "std": self.std.text if self.std else None,
            "channel_axes": {axis.name: axis.text for axis in self.channel_axes} or None,
            "base": str(self.base) if self.base else None,
            "seeds": self.seeds,
            "first_seed": self.first_seed or None,
            "survival": self.survival or None,
            "device": self.device,
            "threads": self.threads,
            "precision": self.precision,
            "trainer": self.trainer,
            "init_scale": {"weight": self.init_scale.weight, "bias": self.init_scale.bias},
            "recipe": self.recipe.to_json(),
            "expected": str(self.expected) if self.expected else None,
            **optional_to_json(self.options, self.images, self.half_width),
        }
        return {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> ScanSpec:
        """Read what ``to_json`` gave.

        Args:
            fields: Every field by name.

        Returns:
            The specification.

        Raises:
            NormscopeError: If it has another schema, or is no scan's.
        """
        cls.check_kind(fields)
        expected = fields.get("expected")
        try:
            return cls(
                source=fields["source"],
                fingerprint=fields["fingerprint"],
                data=Normalization.parse(fields["data"]),
                train_images=fields.get("train_images"),
                model=fields["model"],
                recipe=Recipe.from_json(fields["recipe"]),
                init_scale=InitScale(**fields["init_scale"]),
                mean=_axis("mean", fields),
                std=_axis("std", fields),
                channel_axes=tuple(
                    Axis.parse(name, text) for name, text in fields.get("channel_axes", {}).items()
                ),
                base=Normalization.parse(fields["base"]) if "base" in fields else None,
                seeds=fields["seeds"],
                first_seed=fields.get("first_seed", 0),
                survival=fields.get("survival", 0),
                device=fields["device"],
                threads=fields["threads"],
                precision=fields["precision"],
                trainer=fields["trainer"],
                expected=Normalization.parse(expected) if expected else None,
                **optional_from_json(fields),
            )
        except (KeyError, TypeError) as error:
            raise NormscopeError(
                f"a scan's specification must name every field with its kind of value, "
                f"got a fault at {error}. Use a study.toml as normscope wrote it."
            ) from None


def _axis(name: str, fields: dict[str, Any]) -> Axis | None:
    # Where single channels are varied the shared axes may be absent.
    if name not in fields and "channel_axes" in fields:
        return None
    return Axis.parse(name, fields[name])
