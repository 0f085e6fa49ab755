"""A function with a known optimum in place of training, and a search over it as a command.

Run as a program, it takes a folder, the number of trials, the seconds a trial takes and perhaps a
database's URL and the word ``halving``, and searches until the trials are done or it is killed.
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path

import numpy as np

from normscope.init_scale import InitScale
from normscope.normalization import MNIST
from normscope.studies.executors import in_process, opening
from normscope.studies.ranges import parse_ranges
from normscope.studies.search_specification import SearchSpec
from normscope.trials.recipe import LENET
from normscope.trials.result import TrialResult, pack_bits
from normscope.trials.spec import TrialSpec

BEST = {"mean": 0.7, "std": 0.3}
ANSWERS = pack_bits(np.ones(1000, bool))


def accuracy_at(mean: float, std: float) -> float:
    return math.exp(-((mean - BEST["mean"]) ** 2) - math.log10(std / BEST["std"]) ** 2)


def evaluate(spec, _source, _on_epoch=None, seconds: float = 0.0) -> TrialResult:
    time.sleep(seconds)
    accuracy = accuracy_at(spec.normalization.mean[0], spec.normalization.std[0])
    # A little noise of the seed, so that a maximum is optimistic.
    accuracy *= 1 - 0.01 * ((spec.seed * 2654435761) % 97) / 97
    history = [
        {"epoch": epoch, "train_loss": 0.1, "validation_accuracy": accuracy * (1 - 0.02 / epoch),
         "seconds": seconds}
        for epoch in range(1, spec.recipe.epochs + 1)
    ]  # fmt: skip
    # A test that is a little harder than validation.
    return TrialResult(
        0.9 * history[-1]["validation_accuracy"], 0.1, False, seconds, "fp32", "cpu", history,
        ANSWERS, 1000, {}, {},
    )  # fmt: skip


def main() -> None:
    import optuna

    from normscope.studies.search import Place, PlannedSearch, run_search

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    out, trials, seconds, *more = sys.argv[1:]
    halving = "halving" in more
    storage = [word for word in more if word != "halving"]
    opening.check_memory = lambda spec, source: None
    in_process.run_trial = lambda spec, source: evaluate(spec, source, seconds=float(seconds))
    trial = TrialSpec(
        "digits", "", None, "lenet", LENET, MNIST, InitScale(), 0, "cpu", 1, "fp32"
    )  # fmt: skip
    over = parse_ranges(["mean=-1:2", "std=0.05:1:log"])
    specification = SearchSpec(trial, MNIST, over, "random", int(trials), 2, halving)
    url = storage[0] if storage else None
    place = Place(workers=1, storage=url, study=url and "shared", grace_seconds=3)
    run_search(PlannedSearch(specification, None, Path(out)), place)


if __name__ == "__main__":
    main()
