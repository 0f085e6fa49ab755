"""A grid of normalizations, trained cell by cell: what ``normscope scan`` does."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.ray_connection import ray_cluster
from normscope.studies.by_name import by_name
from normscope.studies.executors.opening import open_executor
from normscope.studies.locking import locked
from normscope.studies.scan_planning import PlannedScan, ScanOptions, plan_scan
from normscope.studies.study import Study

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


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
    survival: int = 0,
    first_seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Study:
    """Train a model under every normalization of a grid, each with the same seeds.

    Called again on the same folder, it runs only what has not finished; with more seeds, or more
    values on an axis, the study there grows. A script that runs several
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
        survival: How many more seeds each cell has that are trained only until they have left
            chance for good or are proved dead; then ``seeds`` may be 0.
        first_seed: The first replicate's seed.
        on_progress: Called with the finished and the planned number of trials.

    Returns:
        The study.
    """
    given = {**locals(), "channel_axes": channel_axes or {}}
    return run_scan(plan_scan(by_name(ScanOptions, given)), workers, on_progress, ray)


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
        plan = plan.joined(study)
        remaining = plan.remaining(study)
        total = len(plan.specification.trials())
        done = total - len(remaining)
        report = on_progress or (lambda _done, _total: None)
        report(done, total)
        if not remaining:
            return study
        with open_executor(
            plan.source, plan.specification, len(remaining), workers, ray=ray
        ) as executor:
            waiting = list(reversed(remaining))
            for _ in range(min(executor.slots + 1, len(waiting))):
                executor.submit(waiting.pop())
            for _ in remaining:
                finished = executor.next_finished()
                if waiting:
                    executor.submit(waiting.pop())
                study.add(finished.spec, finished.result)
                done += 1
                report(done, total)
    return study
