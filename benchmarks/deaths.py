"""Is a proved death final? Dead LeNets on MNIST, ended early and trained on to their last epoch.

``python -m benchmarks.deaths --root FOLDER`` looks for seeds that die at the far edges of the
published grid, and trains each of them again by the ordinary path, with no proof and no product
spared. A death is final if the two results are the same to the last bit: losses, accuracies, the
curve, and every test image.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import itertools
import math
import multiprocessing
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.images.transform import ImageTransform
from normscope.init_scale import InitScale
from normscope.models.stacked import lenet
from normscope.normalization import Normalization
from normscope.trials import death
from normscope.trials.preparation import prepare_source
from normscope.trials.recipe import LENET_ARTICLE
from normscope.trials.running import run_trial
from normscope.trials.spec import TrialSpec

if TYPE_CHECKING:
    from normscope.images.decoded import DecodedSource
    from normscope.trials.result import TrialResult

CELLS = tuple(itertools.product((-2.0, 3.0), (0.02, 0.063)))
TEST_IMAGES = 500


@functools.cache
def _source(root: Path, train_images: int, size: int) -> DecodedSource:
    transform = ImageTransform(resize=size)
    source = prepare_source("mnist", root, LENET_ARTICLE, train_images, transform).source
    return dataclasses.replace(source, test=source.test.take(np.arange(TEST_IMAGES)))


def _numbers(result: TrialResult) -> dict[str, Any]:
    said = result.to_json()
    for name in ("seconds", "environment", "outcome", "died_at"):
        del said[name]
    said["history"] = [{k: v for k, v in e.items() if k != "seconds"} for e in said["history"]]
    return said


def _compared(job: tuple[argparse.Namespace, float, float, int]) -> dict[str, Any]:
    options, mean, std, seed = job
    source = _source(options.root, options.train_images, options.size)
    spec = TrialSpec(
        source="mnist",
        fingerprint="",
        train_images=options.train_images,
        model="lenet",
        recipe=dataclasses.replace(LENET_ARTICLE, epochs=options.epochs),
        normalization=Normalization(mean, std),
        init_scale=InitScale(),
        seed=seed,
        device="cpu",
        threads=1,
        precision=options.precision,
    )
    start = time.process_time()
    early = run_trial(spec, source)
    took = time.process_time() - start
    found = {"cell": (mean, std), "outcome": early.outcome, "died_at": early.died_at}
    if early.outcome != "died":
        return found
    proving, sparing = death.SILENT_STEPS, lenet.SPARE_SILENT
    death.SILENT_STEPS, lenet.SPARE_SILENT = math.inf, False
    try:
        start = time.process_time()
        whole = run_trial(spec, source)
        ordinary = time.process_time() - start
    finally:
        death.SILENT_STEPS, lenet.SPARE_SILENT = proving, sparing
    return {
        **found,
        "same": _numbers(early) == _numbers(whole),
        "after": early.steps - early.died_at,
        "early": took,
        "ordinary": ordinary,
    }


def _print_table(tried: list[dict[str, Any]]) -> None:
    print("mean  std    tried  died  stuck  proved at step  steps after it  changed  time")
    for cell in (*CELLS, None):
        mine = [one for one in tried if cell in {one["cell"], None}]
        gone = [one for one in mine if "same" in one]
        if not gone:
            continue
        low, middle, high = np.quantile([one["died_at"] for one in gone], (0, 0.5, 1))
        name = "all        " if cell is None else f"{cell[0]:4g}  {cell[1]:<5g}"
        share = sum(one["early"] for one in gone) / sum(one["ordinary"] for one in gone)
        print(
            f"{name}  {len(mine):5d}  {len(gone):4d}  "
            f"{sum(one['outcome'] == 'stuck' for one in mine):5d}  "
            f"{low:3.0f} {middle:4.0f} {high:5.0f}  "
            f"{np.median([one['after'] for one in gone]):14.0f}  "
            f"{sum(not one['same'] for one in gone):7d}  {share:.0%} of the ordinary training's"
        )


def main() -> None:
    """Look for dead seeds, compare, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--root", type=Path, help="where MNIST is")
    parser.add_argument("--deaths", type=int, default=200)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--train-images", type=int, default=1280)
    parser.add_argument("--size", type=int, default=28, help="smaller images die as surely")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    jobs = (
        (options, *cell, seed) for seed in itertools.count(options.first_seed) for cell in CELLS
    )
    tried, dead = [], []
    with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
        while len(dead) < options.deaths:
            some = list(itertools.islice(jobs, 8 * len(CELLS)))
            tried += pool.map(_compared, some, chunksize=1)
            dead = [one for one in tried if "same" in one]
            changed = sum(not one["same"] for one in dead)
            print(f"{len(tried)} trials, {len(dead)} died, {changed} changed", flush=True)
            _print_table(tried)


if __name__ == "__main__":
    main()
