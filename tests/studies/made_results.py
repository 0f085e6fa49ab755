"""A result in an instant, which says which trial it is of, in place of training.

Run as a program, it takes a study's folder, the scan's options as JSON, the seconds a trial takes
and perhaps a database's URL, and scans until it is done or killed.
"""

from __future__ import annotations

import json
import sys
import time
import zlib
from dataclasses import replace

import numpy as np

from normscope.studies.executors import in_process
from normscope.trials.result import TrialResult, pack_bits


def made_result(spec, _source=None, _on_epoch=None, seconds: float = 0.0) -> TrialResult:
    time.sleep(seconds)
    rng = np.random.default_rng(zlib.crc32(spec.key().encode()))
    correct = rng.random(200) < 0.9
    history = [
        {"epoch": 1 + k, "train_loss": rng.random(), "validation_accuracy": 0.1 + 0.2, "seconds": 1}
        for k in range(spec.recipe.epochs)
    ]
    return TrialResult(
        float(correct.mean()), None, False, time.time(), "fp32", "cpu", history,
        pack_bits(correct), 200, {"initial": {"weight_mean": None}}, {"torch": "2.15"},
    )  # fmt: skip


def with_trial(specification, **changes):
    """The same study of trials that differ in something they share."""
    return replace(specification, trial=replace(specification.trial, **changes))


def main() -> None:
    import optuna

    from normscope.studies.options import Place, ScanOptions
    from normscope.studies.scan import run_scan
    from normscope.studies.scan_planning import plan_scan

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    out, options, seconds, *url = sys.argv[1:]
    in_process.run_trial = lambda spec, source: made_result(spec, source, seconds=float(seconds))
    place = Place(workers=1, storage=url[0] if url else None, grace_seconds=3)
    run_scan(plan_scan(ScanOptions(out=out, **json.loads(options))), place)


if __name__ == "__main__":
    main()
