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
from normscope.studies.written import SCHEMA, WrittenSpecification
from normscope.trials.recipe import Recipe
from normscope.trials.spec import TrialSpec, optional_from_json, optional_to_json


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
        seeds: How many replicates each cell has; they are seeded 0, 1, and so on.
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

    Raises:
        NormscopeError: If a std is not above 0, or there is no seed.
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

    def __post_init__(self) -> None:
        for axis in self.axes:
            if axis.name.startswith("std") and min(axis.values) <= 0:
                raise NormscopeError(
                    f"every std must be > 0, got --{axis.name} {axis.text}. Start the axis above 0."
                )
        if self.seeds < 1:
            raise NormscopeError(
                f"--seeds must be at least 1, got {self.seeds}. Give a larger number."
            )
        if self.seeds > 1 and not self.recipe.trains:
            raise NormscopeError(
                f"--seeds must be 1 with --recipe {self.recipe.name}, which draws nothing at "
                f"random, got {self.seeds}. Leave it out."
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

    def trials(self) -> list[TrialSpec]:
        """Every trial of the scan, once.

        The references (the source's own statistics, none, and what the weights expect where that
        is known) come first, then the cells; all of
        them with one seed before any with the next, so that an interrupted scan has whole maps.

        Returns:
            The trials in the order in which they run.
        """
        references = [self.data, NONE, *([self.expected] if self.expected else [])]
        unique = list(dict.fromkeys([*references, *self.cells()]))
        return [self.trial(n, seed) for seed in range(self.seeds) for n in unique]

    def trial(self, normalization: Normalization, seed: int) -> TrialSpec:
        """The trial of one normalization and one seed.

        Args:
            normalization: What its images are normalized with.
            seed: Its seed.

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
