"""How costs grow: with images, channels and workers.

``python -m benchmarks.growth sizes`` times one epoch of LeNet and the statistics over made images
of several counts and channels. ``python -m benchmarks.growth workers`` simulates more workers than
one machine has, from what was measured: trials whose durations vary, and one driver that asks,
tells and stores one trial at a time while a trial more than there are workers is always at hand.
"""

from __future__ import annotations

import argparse
import heapq
import time
from dataclasses import replace

import numpy as np

from normscope.images.decoded import LabelledImages
from normscope.init_scale import InitScale
from normscope.machine.device import resolve_precision
from normscope.normalization import HALF
from normscope.statistics.stats import stats
from normscope.trials.preparation import prepare_source
from normscope.trials.recipe import named_recipe
from normscope.trials.running import run_trial
from normscope.trials.spec import TrialSpec

SIDE = 28
TESTED = 1000
ROUNDS = 3


def epoch_seconds(images: int, channels: int) -> float:
    """Seconds of one trial of one epoch, with one thread, the least of some rounds.

    Args:
        images: Trained on.
        channels: Of each image.

    Returns:
        Wall seconds.
    """
    rng = np.random.default_rng(0)
    recipe = named_recipe("lenet", "lenet", epochs=1)
    prepared = prepare_source("digits", None, recipe, None)

    def made(count: int) -> LabelledImages:
        pixels = rng.integers(0, 256, (count, channels, SIDE, SIDE), dtype=np.uint8)
        return LabelledImages(pixels, rng.integers(0, 10, count))

    source = replace(
        prepared.source, train=made(images), validation=made(TESTED), test=made(TESTED)
    )
    spec = TrialSpec(
        source="made", fingerprint=source.fingerprint(), train_images=None, model="lenet",
        recipe=recipe, normalization=HALF, init_scale=InitScale(), seed=0, device="cpu", threads=1,
        precision=resolve_precision("auto"),
    )  # fmt: skip
    return min(run_trial(spec, source).seconds for _ in range(ROUNDS))


def stats_seconds(images: int, channels: int) -> float:
    """Seconds of the statistics of images in memory, with one worker.

    Args:
        images: How many.
        channels: Of each.

    Returns:
        Wall seconds, the least of some rounds.
    """
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (images, channels, 224, 224), dtype=np.uint8)
    spent = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        stats(pixels, workers=1)
        spent.append(time.perf_counter() - start)
    return min(spent)


def simulated(
    workers: int, trial: float, spread: float, driver: float, trials: int, seed: int = 0
) -> tuple[float, float]:
    """Run a study of made-up durations.

    The driver serves one worker at a time: it stores a result and has the next trial asked for. A
    worker that ends takes the trial at hand at once, if the driver has kept up.

    Args:
        workers: How many.
        trial: Mean seconds of a trial.
        spread: Their standard deviation over their mean (log-normal).
        driver: Seconds of driver a trial.
        trials: How many.
        seed: Of the durations.

    Returns:
        The study's seconds, and the share of them that the workers train.
    """
    sigma = np.sqrt(np.log1p(spread**2))
    lengths = np.random.default_rng(seed).lognormal(np.log(trial) - sigma**2 / 2, sigma, trials)
    ready = [0.0] * workers
    driver_free = ended = last = 0.0
    for k, length in enumerate(lengths):
        # Until one more than there are workers is asked nothing has to end first; after that each
        # end of a trial lets the driver ask another.
        driver_free = max(driver_free, ended if k > workers else 0.0) + driver
        ended = heapq.heappop(ready)
        stop = max(ended, driver_free) + length
        heapq.heappush(ready, stop)
        last = max(last, stop)
    return last, float(lengths.sum() / workers / last)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("sizes", "workers"))
    parser.add_argument("--trial", type=float, default=10.0, help="seconds of a trial")
    parser.add_argument("--spread", type=float, default=0.1)
    parser.add_argument("--driver", type=float, default=0.044, help="seconds of driver a trial")
    options = parser.parse_args()
    if options.what == "sizes":
        for images, channels in ((1000, 1), (4000, 1), (16000, 1), (4000, 3), (4000, 10)):
            seconds = epoch_seconds(images, channels)
            print(f"LeNet, {images} images of {channels} channels: {seconds:.2f} s an epoch")
        for images, channels in ((100, 3), (400, 3), (400, 1), (400, 10)):
            seconds = stats_seconds(images, channels)
            print(f"stats, {images} images of {channels} channels at 224: {seconds:.3f} s")
        return
    for workers in (1, 2, 4, 16, 64, 256, 1024):
        seconds, busy = simulated(
            workers, options.trial, options.spread, options.driver, max(200, 8 * workers)
        )
        print(f"{workers} workers: {100 * busy:.1f} % busy, {seconds:.0f} s")


if __name__ == "__main__":
    main()
