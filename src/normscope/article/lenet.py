"""The study's first half: LeNet, trained under many normalizations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from normscope.article.agreement import Row
from normscope.article.published import FIRST_EPOCHS

if TYPE_CHECKING:
    from normscope.article.setting import Figures, Measured, Runner, Setting


def lenet_training(figures: Figures, setting: Setting) -> Measured:
    """Train by the published protocol, and look at the test images after each epoch."""
    histories = [
        [e["test_accuracy"] for e in _train(setting, "mnist", "lenet-article", s).result.history]
        for s in range(setting.seeds)
    ]
    table = np.array(histories)
    count = min(table.shape[1], len(FIRST_EPOCHS))
    rows = [
        _row(f"epoch {k + 1}", figures[f"epoch {k + 1}"], table[:, k], setting, epoch=True)
        for k in range(count)
    ]
    return rows, ["By the published protocol, recipe lenet-article."]


def lenet_points(figures: Figures, setting: Setting) -> Measured:
    """Train under each of the normalizations that the figures name."""
    rows = []
    for text, published in figures.items():
        found = [_train(setting, text, None, s).result.accuracy for s in range(setting.seeds)]
        rows.append(_row(text, published, np.array(found), setting))
    return rows, ["By the honest protocol: shuffled, scheduled by validation, tested once."]


def lenet_grid(figures: Figures, setting: Setting) -> Measured:
    """Train over the grid, and read it as the notebook did, seed by seed."""
    from normscope.findings.scan_results import ScanResults
    from normscope.findings.summary import centre_of_mass
    from normscope.reports.writing import report
    from normscope.studies.scan import scan

    folder = setting.out / "lenet-grid"
    study = scan(
        setting.source, mean=f"-2:3:{setting.grid}", std=f"0.02:2:{setting.grid}:log",
        seeds=setting.seeds, epochs=setting.epochs, train_images=setting.train_images,
        workers=setting.workers, out=folder, root=setting.root,
    )  # fmt: skip
    summary = report(folder)
    # The published figures are of one seed, so each of ours is taken seed by seed as well.
    by_seed = ScanResults.read(study).grid
    stacked = by_seed.stack(cell=("mean", "std")).transpose("cell", "seed")
    cells, best, worst = stacked.to_numpy(), stacked.argmax("cell"), stacked.argmin("cell")
    above = [column[column > np.percentile(column, 0.05)] for column in cells.T]
    measured = {
        "best": cells.max(axis=0),
        "best at mean": stacked["mean"].to_numpy()[best],
        "best at std": stacked["std"].to_numpy()[best],
        "worst": cells.min(axis=0),
        "worst at mean": stacked["mean"].to_numpy()[worst],
        "worst at std": stacked["std"].to_numpy()[worst],
        "mean over cells": cells.mean(axis=0),
        "spread over cells": cells.std(axis=0),
        "best 95 % mean": np.array([kept.mean() for kept in above]),
        "best 95 % spread": np.array([kept.std() for kept in above]),
    }
    rows = [_row(name, figures[name], values, setting) for name, values in measured.items()]
    centre = centre_of_mass(by_seed.mean("seed"))
    notes = [
        summary.answer,
        *summary.reasons,
        f"Centre of mass, each axis its own: ({centre['mean']:.4f}, {centre['std']:.4f}).",
        f"The page is {folder / 'report.html'}.",
    ]
    return rows, notes


def first_layer(figures: Figures, setting: Setting) -> Measured:
    """Draw the first layer's initial weights and biases many times."""
    import torch

    from normscope.models.first_layer import describe_first_layer, find_first_layer
    from normscope.models.lenet import LeNet

    draws = max(setting.seeds, 200)
    drawn = []
    for seed in range(draws):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = LeNet()
        drawn.append(describe_first_layer(find_first_layer(network, 1, (28, 28))))
    rows = []
    for label in ("weight mean", "weight std", "bias mean", "bias std"):
        values = np.array([layer[label.replace(" ", "_")] for layer in drawn], float)
        rows.append(
            Row(label, figures[label], float(values.mean()), float(values.std(ddof=1)), draws)
        )
    root = float((1 / 9) ** 0.5)
    rows += [Row("k", figures["k"], 1 / 9, 0.0), Row("sqrt(k)", figures["sqrt(k)"], root, 0.0)]
    return rows, [f"Of {draws} draws; the uniform law's std is {root / 3**0.5:.4f}."]


def lenet_search(preset: str, names: dict[str, str]) -> Runner:
    """Make the runner of one of LeNet's searches."""

    def run(figures: Figures, setting: Setting) -> Measured:
        from normscope.reports.search_writing import write_search_report
        from normscope.studies.search import search

        study = search(
            setting.source, preset=preset, trials=setting.trials, replicates=setting.seeds,
            epochs=setting.epochs, train_images=setting.train_images, workers=setting.workers,
            out=setting.out / preset, root=setting.root,
        )  # fmt: skip
        summary = write_search_report(study)
        shrunk = setting.shrunk or setting.trials != 200
        best = summary.best
        rows = [Row("best", figures["best"], best["accuracy"], None, 1, shrunk)]
        rows += [
            Row(label, figures[label], best["values"][name], None, 1, shrunk)
            for label, name in names.items()
        ]
        return rows, [summary.sentence]

    return run


def _train(setting: Setting, norm: str, recipe: str | None, seed: int):
    from normscope.trials.single import train

    return train(
        setting.source, norm=norm, recipe=recipe, epochs=setting.epochs, seed=seed,
        train_images=setting.train_images, root=setting.root,
    )  # fmt: skip


def _row(
    label: str, published: float, values: np.ndarray, setting: Setting, *, epoch: bool = False
) -> Row:
    noise = float(values.std(ddof=1)) if len(values) > 1 else None
    # An epoch's accuracy does not depend on how many epochs follow.
    full = setting.source == "mnist" and setting.train_images is None
    shrunk = not full if epoch else setting.shrunk
    return Row(label, published, float(values.mean()), noise, len(values), shrunk)
