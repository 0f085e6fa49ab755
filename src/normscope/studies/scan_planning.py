"""A scan from a user's words: grid, images and network, checked before anything runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.keywords import as_text, check_kept
from normscope.machine.device import resolve_device
from normscope.models.expected import expected_normalization
from normscope.models.importing import check_caller_named
from normscope.studies.axis import Axis
from normscope.studies.growing import grown
from normscope.studies.options import DEFAULT_MEAN, DEFAULT_SEEDS, DEFAULT_STD
from normscope.studies.parameters import CHANNEL_LETTERS, CHANNEL_PARAMETERS
from normscope.studies.specification import ScanSpec
from normscope.trials.chosen_model import check_weights
from normscope.trials.network import check_network
from normscope.trials.preparation import prepare_source, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.images.decoded import DecodedSource
    from normscope.studies.options import ScanOptions
    from normscope.studies.study import Study
    from normscope.trials.spec import TrialSpec


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
        """The scan with the floats of a study that it continues, or makes grow.

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


def plan_scan(
    options: ScanOptions, on_image: Callable[[int, int], None] | None = None
) -> PlannedScan:
    """Check a scan and specify it fully, without running anything.

    Args:
        options: What the user chose.
        on_image: Called with how many images are decoded and how many there are.

    Returns:
        The planned scan.
    """
    check_kept(vars(options))
    mean, std, channel_axes = _axes(options)
    axes = [axis for axis in (mean, std, *channel_axes) if axis]
    prepared = resolve(options, cells=math.prod(len(a.values) for a in axes), on_image=on_image)
    trial = prepared.trial
    specification = ScanSpec(
        trial=_with_base(trial, prepared.source.channels, channel_axes),
        data=prepared.data,
        mean=mean,
        std=std,
        seeds=(DEFAULT_SEEDS if trial.recipe.trains else 1)
        if options.seeds is None
        else options.seeds,
        expected=expected_normalization(trial.model) if trial.options.has_weights else None,
        channel_axes=channel_axes,
        survival=options.survival,
    )
    return _planned(specification, prepared.source, options.out)


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
    trial = specification.trial
    check_caller_named(trial.model, model, "the specification", "--model ")
    prepared = prepare_source(trial.source, root, trial.recipe, trial.train_images, trial.images)
    if prepared.fingerprint != trial.fingerprint:
        raise NormscopeError(
            f"{trial.source} must hold the images that the specification was written for "
            f"(fingerprint {trial.fingerprint}), got others "
            f"({prepared.fingerprint}). Leave out --spec to begin a new study."
        )
    check_weights(trial.model, trial.options)
    resolve_device(trial.device)
    # A wrong name, factory or network is found before a folder is made for the study.
    check_network(trial.model, trial.options, trial.recipe, prepared.source)
    return _planned(specification, prepared.source, out)


def _axes(options: ScanOptions) -> tuple[Axis | None, Axis | None, tuple[Axis, ...]]:
    """The axes that a user gave; the default ones where they gave none of a single channel."""
    given = {name: getattr(options, name.replace("-", "_")) for name in CHANNEL_PARAMETERS}
    channel_axes = tuple(
        Axis.parse(name, as_text(values)) for name, values in given.items() if values is not None
    )
    if options.norm is not None and not channel_axes:
        raise NormscopeError(
            f"--norm must be used with axes of single channels, got it with --mean and --std "
            f"alone ({options.norm}). Leave it out, or add --mean-r or the like."
        )
    if channel_axes:
        shared = [
            None if values is None else Axis.parse(name, as_text(values))
            for name, values in (("mean", options.mean), ("std", options.std))
        ]
        return shared[0], shared[1], channel_axes
    return (
        Axis.parse("mean", as_text(DEFAULT_MEAN if options.mean is None else options.mean)),
        Axis.parse("std", as_text(DEFAULT_STD if options.std is None else options.std)),
        (),
    )


def _with_base(trial: TrialSpec, channels: int, channel_axes: tuple[Axis, ...]) -> TrialSpec:
    """The trial with a value for each channel, where single ones are varied."""
    if not channel_axes:
        return trial
    if channels != len(CHANNEL_LETTERS):
        raise NormscopeError(
            f"--{channel_axes[0].name} must be used with images of three channels, got "
            f"{trial.source} of {channels}. Use --mean and --std."
        )
    return replace(trial, normalization=trial.normalization.for_channels(channels))


def _planned(specification: ScanSpec, source: DecodedSource, out: str | Path | None) -> PlannedScan:
    trial = specification.trial
    folder = default_folder(trial.source, trial.model) if out is None else Path(out)
    return PlannedScan(specification, source, folder)


def default_folder(source: str, model: str) -> Path:
    """Where a scan is kept when the user does not say.

    Returns:
        ``runs/SOURCE-MODEL``, in characters that every file system takes.

    Example:
        >>> default_folder("photos/cats", "lenet").as_posix()
        'runs/cats-lenet'
    """
    name = f"{Path(source).resolve().name}-{model}"
    return Path("runs") / "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
