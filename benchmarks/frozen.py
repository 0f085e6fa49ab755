"""How fast a frozen grid is, against the notebook's way, cell by cell in one run.

Run ``python -m benchmarks.frozen SOURCE --weights FILE`` on a machine that does nothing else. The
notebook's way (Perrinet 2024, doi:10.5281/zenodo.14602370) decodes and resizes every image for each
cell, normalizes it, and tests in fp32. Ours decodes once, into an empty cache, and compiles once;
both are counted. Cells alternate, so that both ways share the machine's moods.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from normscope.machine.cores import available_cores
from normscope.studies.options import ScanOptions
from normscope.studies.scan_planning import plan_scan
from normscope.trials.frozen import evaluate_frozen
from normscope.trials.network import build_network

if TYPE_CHECKING:
    from normscope.normalization import Normalization

GRID = 15
BATCH = 64


def notebook_cell(folder: Path, model, normalization: Normalization, workers: int) -> float:
    """One cell in the notebook's way.

    Args:
        folder: Holds one folder of images per class.
        model: In evaluation mode, fp32.
        normalization: The cell.
        workers: Worker processes of the DataLoader.

    Returns:
        The accuracy.
    """
    preprocess = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(normalization.mean, normalization.std),
        ]
    )
    images = DataLoader(datasets.ImageFolder(folder, preprocess), BATCH, num_workers=workers)
    right = 0
    with torch.no_grad():
        for pixels, labels in images:
            right += int((model(pixels).argmax(1) == labels).sum())
    return right / len(images.dataset)


def timed(work) -> tuple[float, float]:
    """A function's result, with what it took.

    Args:
        work: Takes nothing.

    Returns:
        The result and the seconds.
    """
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def main() -> None:
    """Measure, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="a folder with val/")
    parser.add_argument("--model", default="squeezenet1_1")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--cells", type=int, default=2, help="timed both ways")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(available_cores())
    options = ScanOptions(
        source=str(arguments.source), model=arguments.model, weights=arguments.weights,
        recipe="frozen", resize=256, crop=224, mean="-0.5:1.5:15", std="0.2:0.6:15:log",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as cache:
        os.environ["NORMSCOPE_CACHE"] = cache
        plan, decoding = timed(lambda: plan_scan(options))
        specification = plan.specification
        trial = specification.trial_at(specification.data, seed=0)
        _, first = timed(lambda: evaluate_frozen(trial, plan.source))
        plain = replace(trial, trainer="plain", precision="fp32")
        model = build_network(plain, plan.source)[0].eval()
        ours, notebooks = [], []
        for cell in list(specification.cells())[:: GRID**2 // arguments.cells][: arguments.cells]:
            found, seconds = timed(
                lambda cell=cell: evaluate_frozen(replace(trial, normalization=cell), plan.source)
            )
            ours.append(seconds)
            expected, seconds = timed(
                lambda cell=cell: notebook_cell(
                    arguments.source / "val", model, cell, available_cores()
                )
            )
            notebooks.append(seconds)
            print(f"{cell:.4g}: {found.accuracy:.4f} ours, {expected:.4f} the notebook's way")
    cell, slow = statistics.median(ours), statistics.median(notebooks)
    whole = decoding + first + (GRID**2 - 1) * cell
    numbers = {
        "precision": trial.precision, "trainer": trial.trainer, "threads": trial.threads,
        "decoding_seconds": decoding, "first_cell_seconds": first, "cell_seconds": ours,
        "notebook_cell_seconds": notebooks, "ratio_of_cells": slow / cell,
        "ratio_of_grids": GRID**2 * slow / whole,
    }  # fmt: skip
    print(json.dumps(numbers, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
