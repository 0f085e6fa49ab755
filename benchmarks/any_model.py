"""Seconds an epoch of any model on a CPU: the plain trainer and the fast one, in turn, in one run.

``python benchmarks/any_model.py FOLDER --model resnet20`` trains on a folder of images, such as
CIFAR-10's as JPEGs, by the recipe ``resnet-scratch``: augmentation, steps and validation count,
decoding does not, which is done once before. ``--profile`` says where a step's time goes.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from normscope.machine.cores import threads
from normscope.trials.fast.training import train_fast
from normscope.trials.options import TrainOptions
from normscope.trials.preparation import resolve
from normscope.trials.train import train
from trials import cpu_seconds

if TYPE_CHECKING:
    from normscope.images.decoded import DecodedSource
    from normscope.trials.spec import TrialSpec

TRAINERS = {"plain": train, "fast": train_fast}


def main() -> None:
    """Measure and print."""
    options = _options()
    chosen = TrainOptions(
        source=options.source,
        root=options.root,
        model=options.model,
        recipe=options.recipe,
        resize=options.resize,
        crop=options.resize,
        train_images=options.train_images,
        epochs=1,
        device="cpu",
        precision=options.precision,
        threads=options.threads,
    )
    prepared = resolve(chosen, usual_threads=options.threads)
    spec, source = prepared.trial, prepared.source
    if options.tested:
        few = np.arange(min(options.tested, len(source.test)))
        source = replace(source, test=source.test.take(few))
    _once(spec, replace(source, train=source.train.take(np.arange(spec.recipe.batch_size))))
    wall: dict[str, list[float]] = {name: [] for name in TRAINERS}
    busy: dict[str, list[float]] = {name: [] for name in TRAINERS}
    for _ in range(options.rounds):
        for name, (seconds, of_processor) in _once(spec, source).items():
            wall[name].append(seconds)
            busy[name].append(of_processor)
    images = f"{len(source.train)} images trained on, {source.image_size[0]} pixels high"
    print(f"{spec.model}, {images}, {spec.threads} threads, {spec.precision}, ", end="")
    print(torch.backends.cpu.get_cpu_capability())
    for name in TRAINERS:
        each = ", ".join(f"{w:.1f} ({b:.1f})" for w, b in zip(wall[name], busy[name], strict=True))
        print(f"{name:6s} {min(wall[name]):7.2f} s an epoch (each, and of processor time: {each})")
    for what, measured in (("ratio", wall), ("of processor time", busy)):
        ratios = [a / b for a, b in zip(measured["plain"], measured["fast"], strict=True)]
        print(f"{what} {np.median(ratios):.2f} (each: {', '.join(f'{r:.2f}' for r in ratios)})")
    if options.profile:
        _profile(spec, source)


def _once(spec: TrialSpec, source: DecodedSource) -> dict[str, tuple[float, float]]:
    """Seconds and processor seconds of one epoch, by the name of the trainer."""
    found = {}
    for name, trainer in TRAINERS.items():
        precision = "fp32" if name == "plain" else spec.precision
        ends: list[float] = []
        before = cpu_seconds()
        result = trainer(
            replace(spec, trainer=name, precision=precision),
            source,
            lambda _, ends=ends: ends.append(cpu_seconds()),
        )
        found[name] = result.history[0]["seconds"], ends[0] - before
    return found


def _profile(spec: TrialSpec, source: DecodedSource) -> None:
    from torch.profiler import ProfilerActivity, profile

    few = replace(source, train=source.train.take(np.arange(4 * spec.recipe.batch_size)))
    few = replace(few, test=few.test.take(np.arange(1)), validation=None)
    for name, trainer in TRAINERS.items():
        with profile(activities=[ProfilerActivity.CPU]) as seen, threads(spec.threads):
            start = time.perf_counter()
            trainer(replace(spec, trainer=name), few)
            took = time.perf_counter() - start
        print(f"{name}: {took / 4 * 1000:.0f} ms a step, the start included")
        print(seen.key_averages().table(sort_by="self_cpu_time_total", row_limit=14))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--model", default="resnet20")
    parser.add_argument("--recipe", default="resnet-scratch")
    parser.add_argument("--resize", type=int)
    parser.add_argument("--train-images", type=int, default=2000)
    parser.add_argument("--tested", type=int, default=500, help="images tested after the epoch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--profile", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
