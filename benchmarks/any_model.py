"""Seconds an epoch of any model on a CPU: the plain trainer and the fast one, in turn, in one run.

``python -m benchmarks.any_model FOLDER --model resnet20`` trains on a folder of images, such as
CIFAR-10's as JPEGs, by the recipe ``resnet-scratch``. Augmentation, steps and validation count;
decoding, which is done once before, does not. ``--steps 10`` also times steps alone.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from benchmarks.trials import cpu_seconds
from torch.nn import functional

from normscope.machine.cores import threads
from normscope.machine.memory import keep_freed_memory
from normscope.models.quick.layers import quicken
from normscope.trials.fast import plan_choice
from normscope.trials.fast.training import train_fast
from normscope.trials.network import build_network
from normscope.trials.options import TrainOptions
from normscope.trials.pixels import ResidentImages
from normscope.trials.preparation import resolve
from normscope.trials.seeding import torch_seeded
from normscope.trials.train import train

if TYPE_CHECKING:
    from normscope.images.decoded import DecodedSource
    from normscope.trials.preparation import PreparedTrial
    from normscope.trials.spec import TrialSpec

TRAINERS = {"plain": train, "fast": train_fast}

CHOSEN = ("source", "root", "model", "recipe", "train_images", "threads", "precision")


class Took(NamedTuple):
    """What one epoch took, in seconds.

    Attributes:
        wall: By the clock, without the start.
        processor: Of all cores together.
    """

    wall: float
    processor: float


def main() -> None:
    """Measure and print."""
    options = _options()
    # As in a study that is long enough to repay compiling.
    plan_choice.REPAID = 0
    prepared = on_cpu(options, resize=options.resize, crop=options.resize, epochs=1)
    spec, source = prepared.trial, prepared.source
    if options.tested:
        few = np.arange(min(options.tested, len(source.test)))
        source = replace(source, test=source.test.take(few))
    _once(spec, replace(source, train=source.train.take(np.arange(spec.recipe.batch_size))))
    rounds = [_once(spec, source) for _ in range(options.rounds)]
    images = f"{len(source.train)} images trained on, {source.image_size[0]} pixels high"
    print(f"{spec.model}, {images}, {spec.threads} threads, {spec.precision}, ", end="")
    print(torch.backends.cpu.get_cpu_capability())
    for name in TRAINERS:
        took = [found[name] for found in rounds]
        each = ", ".join(f"{t.wall:.1f} ({t.processor:.1f})" for t in took)
        least = min(t.wall for t in took)
        print(f"{name:6s} {least:7.2f} s an epoch (each, and of processor time: {each})")
    for what, axis in (("ratio", 0), ("of processor time", 1)):
        ratios = [found["plain"][axis] / found["fast"][axis] for found in rounds]
        print(f"{what} {np.median(ratios):.2f} (each: {', '.join(f'{r:.2f}' for r in ratios)})")
    if options.steps:
        _steps(spec, source, options.steps)


def on_cpu(options: argparse.Namespace, **more: Any) -> PreparedTrial:
    """A trial on a CPU of what was chosen.

    Args:
        options: Has the fields in ``CHOSEN``.
        more: Other options of ``normscope train``.

    Returns:
        The trial with its images.
    """
    chosen = {name: getattr(options, name) for name in CHOSEN}
    return resolve(TrainOptions(**chosen, device="cpu", **more))


def _once(spec: TrialSpec, source: DecodedSource) -> dict[str, Took]:
    """What one epoch takes, by the name of the trainer."""
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
        found[name] = Took(result.history[0]["seconds"], ends[0] - before)
    return found


def _steps(spec: TrialSpec, source: DecodedSource, steps: int) -> None:
    """Print the least processor time of a step, forward and backward, in three ways in turn."""
    ways, taken = {}, {}
    pixels, labels = ResidentImages(source.train, source.scale, spec).batch(
        torch.arange(spec.recipe.batch_size)
    )
    keep_freed_memory()
    for name in ("plain", "channels last", "fast"):
        with torch_seeded(spec.seed, "cpu"):
            model, first_layer = build_network(spec, source)
        layout = torch.contiguous_format if name == "plain" else torch.channels_last
        model = model.train().to(memory_format=layout)
        if name == "fast":
            quicken(model, compiled=True, spared=[first_layer])
        ways[name], taken[name] = (model, pixels.contiguous(memory_format=layout)), []
    with threads(spec.threads):
        for _ in range(steps):
            for name, (model, shown) in ways.items():
                start = time.process_time()
                model.zero_grad(set_to_none=True)
                functional.cross_entropy(model(shown), labels).backward()
                taken[name].append(time.process_time() - start)
    each = ", ".join(f"{name} {min(t) * 1000:.0f} ms" for name, t in taken.items())
    print(f"forward and backward of {len(labels)} images, processor time, the least: {each}")


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
    parser.add_argument("--steps", type=int, default=0, help="also time so many steps alone")
    return parser.parse_args()


if __name__ == "__main__":
    main()
