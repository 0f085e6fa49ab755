"""What a study costs beside its trials, and how busy it keeps its workers.

``python -m benchmarks.scaling overhead`` runs 1,000 trials that take no time through the scan's own
loop and store, and 200 through a search with each sampler; ``busy`` runs trials of 1 s in local
worker processes and says what share of the time the workers trained; ``--sampler`` names one.
``grow`` asks a sampler at growing numbers of finished trials. Training is replaced by a function of
known duration, so that nothing else is measured; images, processes and databases are real.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import optuna

from normscope.studies import search_work
from normscope.studies.executors import in_process
from normscope.studies.options import Place, ScanOptions, SearchOptions
from normscope.studies.samplers import SAMPLERS
from normscope.studies.scan import run_scan
from normscope.studies.scan_planning import plan_scan
from normscope.studies.search import plan_search, run_search
from normscope.trials import running
from normscope.trials.result import TrialResult, pack_bits

if TYPE_CHECKING:
    from normscope.studies.search_study import SearchStudy

SECONDS = "NORMSCOPE_BENCHMARK_SECONDS"
OVER = ("mean=-1:2", "std=0.05:1:log")


def pretend(spec, _source, _on_epoch=None) -> TrialResult:
    """A result as large as LeNet's on MNIST, after as long as the environment says."""
    begun = time.time()
    seconds = float(os.environ[SECONDS])
    time.sleep(seconds)
    mean, std = spec.normalization.mean[0], spec.normalization.std[0]
    accuracy = max(0.0, 1 - (mean - 0.7) ** 2 / 8 - (std - 0.3) ** 2 / 2)
    epoch = {"epoch": 1, "train_loss": 0.1, "validation_accuracy": accuracy, "seconds": 1.0}
    import numpy as np

    correct = pack_bits(np.random.default_rng(spec.seed).random(10_000) < accuracy)
    environment = {f"fact {i}": "a version or a processor's name" for i in range(10)}
    environment |= {"worker": os.getpid(), "begun": begun, "ended": time.time()}
    layer = {"initial": {"weight_mean": 0.0}, "final": {"weight_mean": 0.0}}
    return TrialResult(
        accuracy, 0.1, False, seconds, "fp32", "cpu", [epoch] * 30, correct, 10_000, layer,
        environment,
    )  # fmt: skip


if os.environ.get(SECONDS):
    # Worker processes import this file as the main module of their parent, and so pretend as well.
    running.run_trial = pretend
    in_process.run_trial = pretend


def main() -> None:
    """Measure and print."""
    options = _options()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    running.run_trial = in_process.run_trial = pretend
    with tempfile.TemporaryDirectory() as folder:
        {"overhead": overhead, "busy": busy, "grow": grow}[options.what](Path(folder), options)


def overhead(folder: Path, options: argparse.Namespace) -> None:
    """Milliseconds a trial of no duration."""
    os.environ[SECONDS] = "0"
    means = ",".join(str(i / 100) for i in range(options.trials // 10))
    plan = plan_scan(
        ScanOptions(mean=means, std="0.1:1:10:log", seeds=1, epochs=1, out=folder / "scan")
    )
    count = len(plan.specification.trials())
    start, before = time.perf_counter(), time.process_time()
    run_scan(plan, Place(workers=1))
    spent, used = time.perf_counter() - start, time.process_time() - before
    print(
        f"scan: {1000 * spent / count:.1f} ms a trial, {1000 * used / count:.1f} ms of the "
        f"processor, {count} trials"
    )
    for sampler in [options.sampler] if options.sampler else SAMPLERS:
        count = options.search_trials
        spent, used, asking = _search(folder / sampler, sampler, count, options.storage)
        print(
            f"search {sampler}: {1000 * spent / count:.1f} ms a trial, of which "
            f"{1000 * asking / count:.1f} ms ask the sampler; {1000 * used / count:.1f} ms of the "
            f"processor, {count} trials"
        )


def busy(folder: Path, options: argparse.Namespace) -> None:
    """The share of their time that workers train, for trials of 1 s."""
    os.environ[SECONDS] = "1"
    for sampler in [options.sampler] if options.sampler else ("tpe", "random", "gp"):
        for workers in options.workers:
            plan = _plan(folder / f"{sampler}-{workers}", sampler, 20 * workers)
            before = resource.getrusage(resource.RUSAGE_SELF)
            study = run_search(plan, Place(workers=workers))
            after = resource.getrusage(resource.RUSAGE_SELF)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(
                f"{sampler}, {workers} workers: busy {100 * _busy(study):.1f} %, "
                f"{used / (20 * workers) * 1000:.0f} ms of driver a trial"
            )


def _busy(study: SearchStudy) -> float:
    """The share of the time in which every worker was there and work was left."""
    spans: dict[int, list[tuple[float, float]]] = {}
    for result in (trial.result for trial in study.results()):
        facts = result.environment
        spans.setdefault(facts["worker"], []).append((facts["begun"], facts["ended"]))
    start = max(min(span)[0] for span in spans.values())
    end = min(max(span)[1] for span in spans.values())
    trained = sum(
        max(0.0, min(ended, end) - max(begun, start))
        for of_worker in spans.values()
        for begun, ended in of_worker
    )
    return trained / (end - start) / len(spans)


def grow(folder: Path, options: argparse.Namespace) -> None:
    """Milliseconds a trial as the study grows."""
    os.environ[SECONDS] = "0"
    marks: list[tuple[int, float]] = []

    def mark(done: int, _total: int) -> None:
        if done and done % options.step == 0:
            marks.append((done, time.perf_counter()))

    sampler = options.sampler or "tpe"
    run_search(_plan(folder / "grow", sampler, options.trials), Place(workers=1), mark)
    for (before, then), (done, now) in pairwise(marks):
        if done > before:
            print(f"{sampler}: {1000 * (now - then) / (done - before):.1f} ms a trial at {done}")


def _search(
    folder: Path, sampler: str, trials: int, storage: str | None
) -> tuple[float, float, float]:
    asking = [0.0]
    make = search_work.make_sampler

    def timed(name: str, seed: int, slot: int) -> optuna.samplers.BaseSampler:
        made = make(name, seed, slot)
        inner = made.sample_relative

        def sample(*arguments):
            start = time.perf_counter()
            try:
                return inner(*arguments)
            finally:
                asking[0] += time.perf_counter() - start

        made.sample_relative = sample
        return made

    search_work.make_sampler = timed
    try:
        plan = _plan(folder, sampler, trials)
        start, before = time.perf_counter(), time.process_time()
        place = Place(workers=1, storage=storage, study=f"{sampler}-{start}" if storage else None)
        run_search(plan, place)
        return time.perf_counter() - start, time.process_time() - before, asking[0]
    finally:
        search_work.make_sampler = make


def _plan(folder: Path, sampler: str, trials: int):
    return plan_search(
        SearchOptions(over=OVER, trials=trials, replicates=0, sampler=sampler, epochs=1, out=folder)
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("overhead", "busy", "grow"))
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--search-trials", type=int, default=200)
    parser.add_argument("--step", type=int, default=200)
    parser.add_argument("--sampler", choices=SAMPLERS)
    parser.add_argument("--workers", type=int, nargs="+", default=[2])
    parser.add_argument("--storage", help="a database in place of a file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
