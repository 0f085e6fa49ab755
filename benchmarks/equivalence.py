"""Are the fast trainer's accuracies the plain fp32 trainer's? Two one-sided paired t tests.

``python -m benchmarks.equivalence --root FOLDER`` trains LeNet, or ``--model``, by both with each
of 20 seeds for 2 epochs of MNIST and says whether their mean test accuracies differ by less than
0.002 (Schuirmann, 1987, doi:10.1007/BF01068419). Pairs are saved as they finish, so an interrupted
run goes on.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from benchmarks.any_model import on_cpu
from scipy import stats

from normscope.trials.running import run_trial


def main() -> None:
    """Train what is missing, then test."""
    options = _options()
    prepared = on_cpu(options, epochs=options.epochs, resize=options.resize)
    # A plateau schedule does not act in so few epochs: a few images are enough for it to look at.
    few = np.arange(min(500, len(prepared.source.validation)))
    source = replace(prepared.source, validation=prepared.source.validation.take(few))
    pairs = json.loads(options.out.read_text()) if options.out.exists() else []
    for seed in range(len(pairs), options.seeds):
        spec = replace(prepared.trial, seed=seed)
        fast = run_trial(spec, source).accuracy
        plain = run_trial(replace(spec, trainer="plain", precision="fp32"), source).accuracy
        pairs.append([fast, plain])
        options.out.write_text(json.dumps(pairs))
        print(f"seed {seed}: fast {fast:.4f}, plain {plain:.4f}", flush=True)
    fast, plain = np.array(pairs).T
    difference = fast - plain
    error = difference.std(ddof=1) / np.sqrt(len(pairs))
    degrees = len(pairs) - 1
    p = max(
        stats.t.sf((difference.mean() + options.margin) / error, degrees),
        stats.t.cdf((difference.mean() - options.margin) / error, degrees),
    )
    print(f"{prepared.trial.model}, {prepared.trial.precision}, {options.source}, ", end="")
    print(f"{len(source.train)} images, {options.epochs} epochs, {len(pairs)} seeds: ", end="")
    print(f"fast {fast.mean():.5f}, plain {plain.mean():.5f}, ", end="")
    print(f"difference {difference.mean():+.5f} +- {error:.5f}")
    verdict = "equal" if p < 0.05 else "not shown to be equal"
    print(f"within {options.margin}: p = {p:.2g}, {verdict}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    data = os.environ.get("NORMSCOPE_DATA")
    parser.add_argument("--root", type=Path, default=Path(data) if data else None)
    parser.add_argument("--source", default="mnist")
    parser.add_argument("--model", default="lenet")
    parser.add_argument("--recipe")
    parser.add_argument("--resize", type=int)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--train-images", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--margin", type=float, default=0.002)
    parser.add_argument("--out", type=Path, default=Path("equivalence.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
