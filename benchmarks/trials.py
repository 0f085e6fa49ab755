"""Seconds per MNIST epoch: the notebook's loop and the fast trainer, in turn, in one run.

``python -m benchmarks.trials --root FOLDER`` measures whole epochs (60,000 images trained on,
10,000 tested, by both); ``--steps 60`` a part of one; ``--scan`` also the rate of 8 trials through
``normscope scan``. Run it with ``ONEDNN_MAX_CPU_ISA=AVX2`` for a processor without bf16.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import torch
from benchmarks.notebook import Notebook

from normscope.machine.cores import available_cores
from normscope.studies.scan import scan
from normscope.trials.options import TrainOptions
from normscope.trials.preparation import resolve
from normscope.trials.running import run_trial

CONVOLUTIONS = 2 * (26 * 26 * 32 * 9 + 24 * 24 * 64 * 288)
LINEAR = 2 * (9216 * 128 + 128 * 10)
FIRST = 2 * 26 * 26 * 32 * 9
TEST_FLOP = CONVOLUTIONS + LINEAR
TRAIN_FLOP = 3 * TEST_FLOP - FIRST
"""A step is a product forward and two backward; the first layer needs no gradient of its input."""


def main() -> None:
    """Measure and print."""
    options = _options()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(options.threads)
    prepared = resolve(
        TrainOptions(
            "mnist", norm="mnist", recipe="lenet-article", epochs=1, device="cpu",
            threads=options.threads, precision=options.precision, root=options.root,
        )
    )  # fmt: skip
    spec, source = prepared.trial, _part(prepared.source, options.steps)
    few = _part(source, 3)
    Notebook(few, 0.1307, 0.3081, options.loaders).epoch()
    run_trial(spec, few)
    notebook = Notebook(source, 0.1307, 0.3081, options.loaders)
    seconds: dict[str, list[float]] = {"notebook": [], "fast": []}
    busy: dict[str, list[float]] = {"notebook": [], "fast": []}
    share = len(source.train) / 60_000
    for _ in range(options.rounds):
        start, before = time.perf_counter(), cpu_seconds()
        notebook.epoch()
        seconds["notebook"].append((time.perf_counter() - start) / share)
        busy["notebook"].append((cpu_seconds() - before) / share)
        before = cpu_seconds()
        result = run_trial(spec, source)
        seconds["fast"].append(result.history[0]["seconds"] / share)
        busy["fast"].append((cpu_seconds() - before) / share)
    print(
        f"{torch.backends.cpu.get_cpu_capability()}, {options.threads} threads, {spec.precision}, ",
        end="",
    )
    print(f"{len(source.train)} images trained, {len(source.test)} tested, in turn")
    for name, measured in seconds.items():
        each = ", ".join(f"{s:.1f}" for s in measured)
        print(f"{name:9s} {min(measured):7.1f} s an epoch (each: {each})")
    ratios = [a / b for a, b in zip(seconds["notebook"], seconds["fast"], strict=True)]
    print(f"ratio     {np.median(ratios):7.2f} (each: {', '.join(f'{r:.2f}' for r in ratios)})")
    work = [a / b for a, b in zip(busy["notebook"], busy["fast"], strict=True)]
    print(f"of processor time, which neighbours disturb less: {np.median(work):.2f}", end=" ")
    print(f"(each: {', '.join(f'{r:.2f}' for r in work)})")
    rate = matrix_rate(torch.bfloat16 if spec.precision == "bf16" else torch.float32)
    flop = 60_000 * TRAIN_FLOP + 10_000 * TEST_FLOP
    print(
        f"{spec.precision} products {rate / 1e9:7.1f} GFLOP/s, of which the fast trainer reaches ",
        end="",
    )
    print(f"{flop / min(seconds['fast']) / rate:.0%}; at all of it {flop / rate:.1f} s an epoch")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process, the notebook's loop included: {peak:.0f} MB")
    if options.scan:
        _scan_rate(options, source, min(seconds["notebook"]) * share)


def _scan_rate(options: argparse.Namespace, source, notebook_seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        start, before = time.perf_counter(), cpu_seconds()
        scan(
            "mnist",
            mean="0,0.2,0.5",
            std="0.2,0.5",
            seeds=1,
            recipe="lenet-article",
            epochs=1,
            train_images=len(source.train),
            device="cpu",
            threads=1,
            out=Path(folder) / "study",
            root=options.root,
        )
        took, busy = time.perf_counter() - start, cpu_seconds() - before
    # A scan's trials are tested on all 10,000 images, whatever they are trained on.
    whole = notebook_seconds * 60_000 / len(source.train)
    share = len(source.train) / 60_000
    work = (share * 60_000 * TRAIN_FLOP + 10_000 * TEST_FLOP) / (
        share * (60_000 * TRAIN_FLOP + 10_000 * TEST_FLOP)
    )
    expected = 8 * whole * share * work
    print(f"8 trials through scan: {took:.1f} s, start included; by the notebook's loop ", end="")
    print(f"{expected:.1f} s: ratio {expected / took:.2f} ({busy:.1f} s of processor time)")


def cpu_seconds() -> float:
    """Processor time of this process and of its finished children, a DataLoader's among them."""
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def matrix_rate(dtype: torch.dtype, size: int = 2048) -> float:
    """FLOP per second of a large matrix product, the best of ten."""
    left, right = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    out = torch.empty(size, size, dtype=dtype)
    best = float("inf")
    for _ in range(10):
        start = time.perf_counter()
        torch.mm(left, right, out=out)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def _part(source, steps: int | None):
    if steps is None:
        return source
    share = 64 * steps / 60_000
    return replace(
        source,
        train=source.train.take(np.arange(64 * steps)),
        test=source.test.take(np.arange(round(10_000 * share))),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    data = os.environ.get("NORMSCOPE_DATA")
    parser.add_argument("--root", type=Path, default=Path(data) if data else None)
    parser.add_argument("--steps", type=int, help="measure so many steps in place of an epoch")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--loaders", type=int, default=2, help="worker processes of a DataLoader")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--scan", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
