"""A scan from a user's words: grid, images and network, checked before anything runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.images.transform import ImageTransform
from normscope.init_scale import InitScale
from normscope.machine.cores import available_cores
from normscope.machine.device import resolve_device, resolve_precision
from normscope.models.expected import expected_normalization, resolve_normalization
from normscope.models.importing import check_caller_named
from normscope.studies.axis import Axis
from normscope.studies.growing import grown
from normscope.studies.parameters import CHANNEL_LETTERS, CHANNEL_PARAMETERS
from normscope.studies.specification import ScanSpec
from normscope.trials.network import check_network
from normscope.trials.preparation import check_skipped, check_weights, model_options, prepare_source
from normscope.trials.recipe import named_recipe
from normscope.trials.spec import check_half_width
from normscope.trials.trainer import resolve_trainer, scanning_trainer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from normscope.images.decoded import DecodedSource
    from normscope.normalization import Normalization
    from normscope.studies.study import Study
    from normscope.trials.preparation import PreparedSource
    from normscope.trials.spec import TrialSpec

DEFAULT_MEAN = "-2:3:5"
DEFAULT_STD = "0.02:2:5:log"
"""The published grid's ranges, over 5 cells in place of 15."""

DEFAULT_SEEDS = 3


@dataclass(frozen=True)
class PlannedScan:
    """A scan that is fully specified and not yet run.

    Attributes:
        specification: What it is.
        source: Its images, split.
        out: The study's folder.
    """

    specification: ScanSpec
    source: DecodedSource
    out: Path

    def joined(self, study: Study | None) -> PlannedScan:
        """The scan with the floats of a study that it goes on with, or makes grow.

        Args:
            study: The study so far, or None before it is begun.

        Returns:
            The scan as its trials are counted and run.
        """
        if study is None:
            return self
        return replace(self, specification=grown(self.specification, study.specification, self.out))

    def remaining(self, study: Study | None) -> list[TrialSpec]:
        """The trials that have not finished.

        Args:
            study: The study so far, or None before it is begun.

        Returns:
            The trials in the order in which they run.
        """
        finished = {trial.spec.key() for trial in study.every_trial()} if study else set()
        return [spec for spec in self.specification.trials() if spec.key() not in finished]


@dataclass(frozen=True)
class ScanOptions:
    """What a user says of a scan; ``scan`` documents each field."""

    source: str = "digits"
    mean: str | None = None
    std: str | None = None
    seeds: int | None = None
    model: str = "lenet"
    recipe: str | None = None
    epochs: int | None = None
    train_images: int | None = None
    weight_init: float = 1.0
    bias_init: float = 1.0
    device: str = "auto"
    precision: str = "auto"
    trainer: str = "fast"
    threads: int | None = None
    out: str | Path | None = None
    root: Path | None = None
    strict: bool = False
    weights: str | Path | None = None
    new_head: bool = False
    batchnorm: bool = True
    resize: int | None = None
    crop: int | None = None
    channels: str | None = None
    padding: str | None = None
    half_width: float | None = None
    channel_axes: Mapping[str, str] = field(default_factory=dict)
    norm: str | None = None
    survival: int = 0
    first_seed: int = 0


def plan_scan(
    options: ScanOptions, on_image: Callable[[int, int], None] | None = None
) -> PlannedScan:
    """Check a scan and specify it fully, without running anything.

    Args:
        options: What the user says.
        on_image: Called with how many images are decoded and how many there are.

    Returns:
        The planned scan.
    """
    mean, std, channel_axes = _axes(options)
    device = resolve_device(options.device)
    model = model_options(options.weights, new_head=options.new_head, batchnorm=options.batchnorm)
    recipe = named_recipe(
        options.recipe,
        options.model,
        options.epochs,
        options.source,
        weights=model.weights,
        padding=options.padding,
    )
    trainer = resolve_trainer(options.trainer, trains=recipe.trains)
    images = ImageTransform(options.resize, options.crop, options.channels)
    check_half_width(options.half_width, recipe)
    expected = expected_normalization(options.model) if model.weights else None
    prepared = prepare_source(
        options.source, options.root, recipe, options.train_images, images, on_image
    )
    check_skipped(prepared.source, options.strict)
    if not recipe.trains:
        axes = [axis for axis in (mean, std, *channel_axes) if axis]
        cells = math.prod(len(axis.values) for axis in axes)
        trainer = scanning_trainer(trainer, device, cells * len(prepared.source.test))
    specification = ScanSpec(
        source=options.source,
        fingerprint=prepared.fingerprint,
        data=prepared.data,
        train_images=options.train_images,
        model=options.model,
        recipe=recipe,
        init_scale=InitScale(options.weight_init, options.bias_init),
        mean=mean,
        std=std,
        seeds=(DEFAULT_SEEDS if recipe.trains else 1) if options.seeds is None else options.seeds,
        device=device,
        threads=(1 if recipe.trains else available_cores())
        if options.threads is None
        else options.threads,
        precision=resolve_precision(options.precision, device, trainer, trains=recipe.trains),
        trainer=trainer,
        options=model,
        images=images,
        half_width=options.half_width,
        expected=expected,
        channel_axes=channel_axes,
        base=_base(options, prepared, channel_axes),
        survival=options.survival,
        first_seed=options.first_seed,
    )
    return _checked(specification, prepared.source, options.out)


def plan_again(
    specification: ScanSpec,
    out: str | Path | None = None,
    root: Path | None = None,
    *,
    model: str | None = None,
) -> PlannedScan:
    """Plan a scan from a specification that was written before.

    Args:
        specification: Read from a ``study.toml``.
        out: The study's folder; ``runs/SOURCE-MODEL`` by default.
        root: Where named data sets are looked for first.
        model: The specification's model, which must be named here too where it is a factory
            ``package.module:factory``: a file does not choose what is imported.

    Returns:
        The planned scan.

    Raises:
        NormscopeError: If the source's images have changed since, or the specification names a
            factory that the caller does not.
    """
    check_caller_named(specification.model, model, "the specification", "--model ")
    prepared = prepare_source(
        specification.source,
        root,
        specification.recipe,
        specification.train_images,
        specification.images,
    )
    if prepared.fingerprint != specification.fingerprint:
        raise NormscopeError(
            f"{specification.source} must hold the images that the specification was written for "
            f"(fingerprint {specification.fingerprint}), got others "
            f"({prepared.fingerprint}). Leave out --spec to begin a new study."
        )
    check_weights(specification.options)
    resolve_device(specification.device)
    return _checked(specification, prepared.source, out)


def _axes(options: ScanOptions) -> tuple[Axis | None, Axis | None, tuple[Axis, ...]]:
    """The axes that a user gave; the default ones where they gave none of a single channel."""
    given = dict(options.channel_axes)
    channel_axes = tuple(
        Axis.parse(name, given[name]) for name in CHANNEL_PARAMETERS if name in given
    )
    if options.norm is not None and not channel_axes:
        raise NormscopeError(
            f"--norm must be used with axes of single channels, got it with --mean and --std "
            f"alone ({options.norm}). Leave it out, or add --mean-r or the like."
        )
    if channel_axes:
        shared = [
            None if text is None else Axis.parse(name, text)
            for name, text in (("mean", options.mean), ("std", options.std))
        ]
        return shared[0], shared[1], channel_axes
    return (
        Axis.parse("mean", options.mean or DEFAULT_MEAN),
        Axis.parse("std", options.std or DEFAULT_STD),
        (),
    )


def _base(
    options: ScanOptions, prepared: PreparedSource, channel_axes: tuple[Axis, ...]
) -> Normalization | None:
    """What the channels have that no axis varies, where single ones are varied."""
    if not channel_axes:
        return None
    channels = prepared.source.channels
    if channels != len(CHANNEL_LETTERS):
        raise NormscopeError(
            f"--{channel_axes[0].name} must be used with images of three channels, got "
            f"{options.source} of {channels}. Use --mean and --std."
        )
    base = resolve_normalization(options.norm or "data", prepared.data, options.model)
    return base.for_channels(channels)


def _checked(specification: ScanSpec, source: DecodedSource, out: str | Path | None) -> PlannedScan:
    # A wrong name, factory or network is found before a folder is made for the study.
    check_network(specification.model, specification.options, specification.recipe, source)
    folder = default_folder(specification.source, specification.model) if out is None else Path(out)
    return PlannedScan(specification, source, folder)


def default_folder(source: str, model: str) -> Path:
    """Where a scan is kept when the user does not say.

    Args:
        source: The images, as the user named them.
        model: The model's name.

    Returns:
        ``runs/SOURCE-MODEL``, in characters that every file system takes.

    Example:
        >>> default_folder("photos/cats", "lenet").as_posix()
        'runs/cats-lenet'
    """
    name = f"{Path(source).resolve().name}-{model}"
    return Path("runs") / "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
