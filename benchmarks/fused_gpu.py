"""LeNets stacked on one GPU: every plan that it computes rightly, at 8, 32 and 225 models.

``python -m benchmarks.fused_gpu --root FOLDER`` first checks the plans, then times steps of batch
64 on MNIST, and one model at a time on the same GPU for the ratio. ``--grid OUT`` also runs the
published 15 x 15 grid of 30 epochs and writes its ``summary.json`` into that study's folder.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import optuna
import torch

from normscope.reports.writing import report
from normscope.studies.scan import scan
from normscope.trials.fast.plan_choice import trusted_plans
from normscope.trials.fast.self_check import seconds_a_step
from normscope.trials.fast.stack_plan import PLAIN
from normscope.trials.options import TrainOptions
from normscope.trials.preparation import resolve

STEPS = 938
"""Of batch 64 in an epoch of 60,000 images."""


def main() -> None:
    """Measure and print."""
    options = _options()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    prepared = resolve(
        TrainOptions(
            "mnist", norm="mnist", recipe="lenet-article", device="cuda", threads=1,
            precision=options.precision, root=options.root,
        )
    )  # fmt: skip
    spec = prepared.trial
    print(f"{torch.cuda.get_device_name()}, {spec.precision}, batch {spec.recipe.batch_size}")
    plans = (PLAIN, *trusted_plans(spec, prepared.source))
    wide = max(len(str(plan)) for plan in plans)
    print(f"{'models':>7s} {'plan':>{wide}s} {'ms a step':>10s} {'us a model':>11s} ratio")
    alone = min(seconds_a_step(plan, [spec], prepared.source) for plan in plans)
    print(f"{1:7d} {'quickest':>{wide}s} {1e3 * alone:10.3f} {1e6 * alone:11.1f} {1:5.1f}")
    for models in options.models:
        for plan in plans:
            seconds = seconds_a_step(plan, [spec] * models, prepared.source)
            each = seconds / models
            print(
                f"{models:7d} {plan!s:>{wide}s} {1e3 * seconds:10.3f} {1e6 * each:11.1f} "
                f"{alone / each:5.1f}",
                flush=True,
            )
    peak = torch.cuda.max_memory_allocated() / 2**30
    print(
        f"peak memory {peak:.1f} GiB; 225 models for 30 epochs take 225 x 30 x {STEPS} x the third"
    )
    if options.grid:
        _grid(options)


def _grid(options: argparse.Namespace) -> None:
    start = time.perf_counter()
    scan(
        "mnist",
        mean="-2:3:15",
        std="0.02:2:15:log",
        seeds=1,
        recipe="lenet-article",
        device="cuda",
        precision=options.precision,
        out=options.grid,
        root=options.root,
    )
    seconds = time.perf_counter() - start
    report(options.grid)
    print(f"the 15 x 15 grid and 2 references, 30 epochs each: {seconds:.0f} s, start included")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    data = os.environ.get("NORMSCOPE_DATA")
    parser.add_argument("--root", type=Path, default=Path(data) if data else None)
    parser.add_argument("--models", type=int, nargs="+", default=[8, 32, 225])
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--grid", type=Path, metavar="OUT", help="run the published grid too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
