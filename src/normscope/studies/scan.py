"""A grid of normalizations, trained cell by cell: what ``normscope scan`` does."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.images.transform import ImageTransform
from normscope.init_scale import InitScale
from normscope.ray_connection import ray_cluster
from normscope.studies.axis import Axis
from normscope.studies.by_name import by_name
from normscope.studies.executors.opening import open_executor
from normscope.studies.parameters import CHANNEL_LETTERS, CHANNEL_PARAMETERS
from normscope.studies.specification import ScanSpec
from normscope.studies.study import Study, locked
from normscope.trials.environment import available_cores
from normscope.trials.network import check_network
from normscope.trials.precision import resolve_precision, resolve_trainer, scanning_trainer
from normscope.trials.preparation import (
    check_skipped,
    expected_normalization,
    model_options,
    prepare_source,
    resolve_device,
)
from normscope.trials.recipe import named_recipe
from normscope.trials.single import resolve_normalization
from normscope.trials.spec import check_half_width

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from normscope.images.decoded import DecodedSource
    from normscope.models.options import ModelOptions
    from normscope.normalization import Normalization
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

    def remaining(self, study: Study | None) -> list[TrialSpec]:
        """The trials that have not finished.

        Args:
            study: The study so far, or None before it is begun.

        Returns:
            The trials in the order in which they run.
        """
        finished = {trial.spec.key() for trial in study.trials()} if study else set()
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


def scan(
    source: str = "digits",
    *,
    mean: str | None = None,
    std: str | None = None,
    seeds: int | None = None,
    model: str = "lenet",
    recipe: str | None = None,
    epochs: int | None = None,
    train_images: int | None = None,
    weight_init: float = 1.0,
    bias_init: float = 1.0,
    device: str = "auto",
    precision: str = "auto",
    trainer: str = "fast",
    threads: int | None = None,
    workers: int | None = None,
    ray: str | None = None,
    out: str | Path | None = None,
    root: Path | None = None,
    strict: bool = False,
    weights: str | Path | None = None,
    new_head: bool = False,
    batchnorm: bool = True,
    resize: int | None = None,
    crop: int | None = None,
    channels: str | None = None,
    padding: str | None = None,
    half_width: float | None = None,
    channel_axes: Mapping[str, str] | None = None,
    norm: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Study:
    """Train a model under every normalization of a grid, each with the same seeds.

    Called again on the same folder, it runs only what has not finished. A script that runs several
    workers must call it under ``if __name__ == "__main__"``, as always with worker processes.

    Args:
        source: A name such as ``"mnist"``, or a folder of images.
        mean: The grid's means: ``START:STOP:COUNT`` or a comma list; -2:3:5 by default.
        std: The grid's stds: likewise, or ``START:STOP:COUNT:log``; 0.02:2:5:log by default.
        seeds: How many replicates each cell has; 3 by default, 1 where nothing is trained.
        model: ``"lenet"``, ``"lenet-bn"``, ``"resnet20"``, a torchvision name, ``"timm/NAME"``,
            ``"hf/NAME"`` or ``"package.module:factory"``.
        recipe: A recipe's name; the model's own by default.
        epochs: Replaces the recipe's number of epochs.
        train_images: Train on so many images only, each class in its share.
        weight_init: Multiplies the first layer's initial weight.
        bias_init: Multiplies the first layer's initial bias.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        precision: ``"auto"``, ``"fp32"`` or ``"bf16"``.
        trainer: ``"fast"``, or ``"plain"`` to check it against.
        threads: CPU threads of each trial, 1 by default and all cores where nothing is trained;
            results depend on their number.
        workers: How many trials run at once; results do not depend on it.
        ray: A Ray cluster's address, or ``"auto"``, to run trials there.
        out: The study's folder; ``runs/SOURCE-MODEL`` by default.
        root: Where named data sets are looked for first.
        strict: Whether an image that cannot be read is an error.
        weights: A file of weights to start from, or ``"default"`` for the library's own.
        new_head: Whether the last layer is replaced by a fresh one for the source's classes.
        batchnorm: False to leave every BatchNorm out.
        resize: Bring the shorter side of every image to so many pixels.
        crop: Then keep the central square of so many.
        channels: ``"rgb"`` gives a grey source three equal channels.
        padding: Whether random crops are padded ``"before"`` the normalization or ``"after"`` it.
        half_width: Stop testing a frozen network when its accuracy is known this well.
        channel_axes: Axes of single channels by name, such as ``{"mean-r": "0:1:3"}``; then
            ``mean`` and ``std`` are axes only where they are given.
        norm: What the channels have that no axis varies; the source's own statistics by default.
        on_progress: Called with the finished and the planned number of trials.

    Returns:
        The study.
    """
    given = {**locals(), "channel_axes": channel_axes or {}}
    return run_scan(plan_scan(by_name(ScanOptions, given)), workers, on_progress, ray)


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
    )
    return _checked(specification, prepared.source, options.out)


def plan_again(
    specification: ScanSpec, out: str | Path | None = None, root: Path | None = None
) -> PlannedScan:
    """Plan a scan from a specification that was written before.

    Args:
        specification: Read from a ``study.toml``.
        out: The study's folder; ``runs/SOURCE-MODEL`` by default.
        root: Where named data sets are looked for first.

    Returns:
        The planned scan.

    Raises:
        NormscopeError: If the source's images have changed since.
    """
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
    _check_weights(specification.options)
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


def _check_weights(options: ModelOptions) -> None:
    if options.weights_digest is None:
        return
    again = model_options(options.weights, new_head=False, batchnorm=True).weights_digest
    if again != options.weights_digest:
        raise NormscopeError(
            f"{options.weights} must hold the weights that the specification was written for "
            f"(digest {options.weights_digest}), got others ({again}). Leave out --spec to begin a "
            "new study."
        )


def _checked(specification: ScanSpec, source: DecodedSource, out: str | Path | None) -> PlannedScan:
    # A wrong name, factory or network is found before a folder is made for the study.
    check_network(specification.model, specification.options, specification.recipe, source)
    folder = default_folder(specification.source, specification.model) if out is None else Path(out)
    return PlannedScan(specification, source, folder)


def run_scan(
    plan: PlannedScan,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    ray: str | None = None,
) -> Study:
    """Run what remains of a planned scan; every finished trial is saved at once.

    Args:
        plan: The scan.
        workers: How many trials run at once; the cores divided by the threads of a trial by
            default. Results do not depend on it.
        on_progress: Called with the finished and the planned number of trials, first before any
            trial runs.
        ray: A Ray cluster's address, where trials are to run there.

    Returns:
        The study.

    Raises:
        NormscopeError: If there are fewer than one worker.
        StudyBusy: If another process works on the folder.
        SpecificationDiffers: If the folder holds another study.
    """
    if workers is not None and workers < 1:
        raise NormscopeError(f"--workers must be at least 1, got {workers}. Give a larger number.")
    # A cluster that cannot be reached is found before a folder is made for the study.
    with ray_cluster(ray) if ray else nullcontext(), locked(plan.out):
        study = Study.create(plan.out, plan.specification)
        remaining = plan.remaining(study)
        total = len(plan.specification.trials())
        report = on_progress or (lambda _done, _total: None)
        report(total - len(remaining), total)
        with open_executor(
            plan.source, plan.specification, len(remaining), workers, ray=ray
        ) as executor:
            waiting = list(reversed(remaining))
            for _ in range(min(executor.slots + 1, len(waiting))):
                executor.submit(waiting.pop())
            for done in range(total - len(remaining) + 1, total + 1):
                finished = executor.next_finished()
                if waiting:
                    executor.submit(waiting.pop())
                study.add(finished.spec, finished.result)
                report(done, total)
    return study


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
