"""A grid of normalizations, trained cell by cell: what ``normscope scan`` does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.init_scale import InitScale
from normscope.models.building import check_model
from normscope.studies.axis import Axis
from normscope.studies.executors.opening import open_executor
from normscope.studies.specification import ScanSpec
from normscope.studies.study import Study, locked
from normscope.trials.precision import resolve_precision, resolve_trainer
from normscope.trials.preparation import (
    check_skipped,
    prepare_source,
    resolve_device,
)
from normscope.trials.recipe import named_recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.images.decoded import DecodedSource
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
    mean: str = DEFAULT_MEAN
    std: str = DEFAULT_STD
    seeds: int = DEFAULT_SEEDS
    model: str = "lenet"
    recipe: str | None = None
    epochs: int | None = None
    train_images: int | None = None
    weight_init: float = 1.0
    bias_init: float = 1.0
    device: str = "auto"
    precision: str = "auto"
    trainer: str = "fast"
    threads: int = 1
    out: str | Path | None = None
    root: Path | None = None
    strict: bool = False


def scan(
    source: str = "digits",
    *,
    mean: str = DEFAULT_MEAN,
    std: str = DEFAULT_STD,
    seeds: int = DEFAULT_SEEDS,
    model: str = "lenet",
    recipe: str | None = None,
    epochs: int | None = None,
    train_images: int | None = None,
    weight_init: float = 1.0,
    bias_init: float = 1.0,
    device: str = "auto",
    precision: str = "auto",
    trainer: str = "fast",
    threads: int = 1,
    workers: int | None = None,
    ray: str | None = None,
    out: str | Path | None = None,
    root: Path | None = None,
    strict: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Study:
    """Train a model under every normalization of a grid, each with the same seeds.

    Called again on the same folder, it runs only what has not finished. A script that runs several
    workers must call it under ``if __name__ == "__main__"``, as always with worker processes.

    Args:
        source: A name such as ``"mnist"``, or a folder of images.
        mean: The grid's means: ``START:STOP:COUNT`` or a comma list.
        std: The grid's stds: likewise, or ``START:STOP:COUNT:log``.
        seeds: How many replicates each cell has.
        model: ``"lenet"`` or ``"package.module:factory"``.
        recipe: A recipe's name; the model's own by default.
        epochs: Replaces the recipe's number of epochs.
        train_images: Train on so many images only, each class in its share.
        weight_init: Multiplies the first layer's initial weight.
        bias_init: Multiplies the first layer's initial bias.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        precision: ``"auto"``, ``"fp32"`` or ``"bf16"``.
        trainer: ``"fast"``, or ``"plain"`` to check it against.
        threads: CPU threads of each trial; results depend on their number.
        workers: How many trials run at once; results do not depend on it.
        ray: A Ray cluster's address, or ``"auto"``, to run trials there.
        out: The study's folder; ``runs/SOURCE-MODEL`` by default.
        root: Where named data sets are looked for first.
        strict: Whether an image that cannot be read is an error.
        on_progress: Called with the finished and the planned number of trials.

    Returns:
        The study.
    """
    options = ScanOptions(
        source,
        mean,
        std,
        seeds,
        model,
        recipe,
        epochs,
        train_images,
        weight_init,
        bias_init,
        device,
        precision,
        trainer,
        threads,
        out,
        root,
        strict,
    )
    return run_scan(plan_scan(options), workers, on_progress, ray)


def plan_scan(options: ScanOptions) -> PlannedScan:
    """Check a scan and specify it fully, without running anything.

    Args:
        options: What the user says.

    Returns:
        The planned scan.
    """
    mean, std = Axis.parse("mean", options.mean), Axis.parse("std", options.std)
    device, trainer = resolve_device(options.device), resolve_trainer(options.trainer)
    recipe = named_recipe(options.recipe, options.model, options.epochs, options.source)
    prepared = prepare_source(options.source, options.root, recipe, options.train_images)
    check_skipped(prepared.source, options.strict)
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
        seeds=options.seeds,
        device=device,
        threads=options.threads,
        precision=resolve_precision(options.precision, device, trainer),
        trainer=trainer,
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
        specification.source, root, specification.recipe, specification.train_images
    )
    if prepared.fingerprint != specification.fingerprint:
        raise NormscopeError(
            f"{specification.source} must hold the images that the specification was written for "
            f"(fingerprint {specification.fingerprint}), got others "
            f"({prepared.fingerprint}). Leave out --spec to begin a new study."
        )
    resolve_device(specification.device)
    return _checked(specification, prepared.source, out)


def _checked(specification: ScanSpec, source: DecodedSource, out: str | Path | None) -> PlannedScan:
    # A wrong name, factory or network is found before a folder is made for the study.
    check_model(
        specification.model,
        channels=source.channels,
        classes=len(source.classes),
        image_size=source.image_size,
    )
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
    with locked(plan.out):
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
