"""Runs the published experiments, and sets our figures beside theirs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.article.agreement import Row
from normscope.article.published import EXPERIMENTS, FIRST_EPOCHS, Published
from normscope.errors import NormscopeError, UnknownName
from normscope.writing import write_text

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Setting:
    """How the experiments are run.

    Attributes:
        source: The images in MNIST's place.
        seeds: Replicates; the study has one.
        epochs: Of LeNet's trainings.
        train_images: How many are trained on; None for all.
        grid: Cells along each axis of the grid.
        trials: Of each search.
        quick: Whether this is the shrunk version.
        images: ImageNet's validation images, or what stands in for them.
        model: The trained network.
        weights: Its weights.
        workers: Trials at once.
        root: Where named data sets lie.
        out: Where results are kept.
    """

    source: str = "mnist"
    seeds: int = 3
    epochs: int = 30
    train_images: int | None = None
    grid: int = 15
    trials: int = 200
    quick: bool = False
    images: str = "imagenet"
    model: str = "resnet18"
    weights: str = "default"
    workers: int | None = None
    root: Path | None = None
    out: Path = field(default_factory=lambda: Path("runs") / "article")

    @property
    def shrunk(self) -> bool:
        """Whether accuracies cannot be compared with the published ones."""
        return self.quick or self.source != "mnist" or self.epochs != 30


QUICK = {"seeds": 2, "epochs": 1, "train_images": 2000, "grid": 5, "trials": 20, "quick": True}


@dataclass(frozen=True)
class Outcome:
    """What an experiment gave.

    Attributes:
        published: The experiment.
        rows: Published and measured figures; empty where it could not run.
        notes: What has to be known beside the figures.
        absent: Why it could not run; None where it did.
    """

    published: Published
    rows: list[Row]
    notes: list[str]
    absent: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Every field by name.

        Returns:
            A mapping of plain values.
        """
        return {
            "name": self.published.name,
            "what": self.published.what,
            "computed": self.published.computed,
            "rows": [row.to_json() for row in self.rows],
            "notes": self.notes,
            "absent": self.absent,
        }


def run_article(
    name: str, setting: Setting, on_experiment: Callable[[str], None] | None = None
) -> list[Outcome]:
    """Run one experiment, or all of them in order.

    Args:
        name: An experiment's name, or ``"all"``.
        setting: How.
        on_experiment: Called with each name before it runs.

    Returns:
        One outcome each. With ``"all"``, one that lacks its data says so and the rest run on.

    Raises:
        UnknownName: If there is no such experiment.
        NormscopeError: If the one experiment asked for cannot run.
    """
    if name != "all" and name not in EXPERIMENTS:
        raise UnknownName("experiment", name, [*EXPERIMENTS, "all"])
    outcomes = []
    for wanted in EXPERIMENTS if name == "all" else [name]:
        if on_experiment is not None:
            on_experiment(wanted)
        try:
            outcome = run_experiment(EXPERIMENTS[wanted], setting)
        except NormscopeError as error:
            if name != "all":
                raise
            outcome = Outcome(EXPERIMENTS[wanted], [], [], str(error))
        setting.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(outcome.to_json(), indent=2, allow_nan=False) + "\n"
        write_text(setting.out / f"{wanted}.json", text)
        outcomes.append(outcome)
    return outcomes


def run_experiment(published: Published, setting: Setting) -> Outcome:
    """Run one experiment.

    Args:
        published: What the study has.
        setting: How.

    Returns:
        Its outcome.

    Raises:
        NormscopeError: If it cannot be run here.
    """
    if published.name not in RUNNERS:
        raise NormscopeError(
            f"{published.name} must have its images and weights at hand, got none of "
            f"{published.needs}. Choose another experiment."
        )
    rows, notes = RUNNERS[published.name](published.figures, setting)
    return Outcome(published, rows, notes)


Figures = dict[str, float]
Measured = tuple[list[Row], list[str]]


def _mnist_statistics(figures: Figures, setting: Setting) -> Measured:
    from normscope.statistics.stats import stats

    rows, notes = [], []
    for split in ("train", "test"):
        found = stats(setting.source, split=split, batch_size=256, root=setting.root)
        assert found.batch_mean is not None
        assert found.batch_std is not None
        for label, estimate in (("mean", found.batch_mean), ("std", found.batch_std)):
            name = f"{split} {label}"
            rows.append(
                Row(name, figures[name], estimate.value[0], 0.0, shrunk=setting.source != "mnist")
            )
        notes.append(f"All pixels of {split}: {found.mean.value[0]:.6f}/{found.std.value[0]:.6f}.")
    return rows, notes


def _lenet_training(figures: Figures, setting: Setting) -> Measured:
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


def _lenet_points(figures: Figures, setting: Setting) -> Measured:
    rows = []
    for text, published in figures.items():
        found = [_train(setting, text, None, s).result.accuracy for s in range(setting.seeds)]
        rows.append(_row(text, published, np.array(found), setting))
    return rows, ["By the honest protocol: shuffled, scheduled by validation, tested once."]


def _lenet_grid(figures: Figures, setting: Setting) -> Measured:
    from normscope.findings.grid import accuracy_grid
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
    by_seed = accuracy_grid(study.specification, study.trials())
    cells = by_seed.to_numpy().reshape(-1, by_seed.sizes["seed"])
    above = [column[column > np.percentile(column, 0.05)] for column in cells.T]
    measured = {
        "best": cells.max(axis=0),
        "worst": cells.min(axis=0),
        "mean over cells": cells.mean(axis=0),
        "spread over cells": cells.std(axis=0),
        "best 95 % mean": np.array([kept.mean() for kept in above]),
        "best 95 % spread": np.array([kept.std() for kept in above]),
    }
    rows = [_row(name, figures[name], values, setting) for name, values in measured.items()]
    centre = summary.centre_of_mass
    notes = [
        summary.sentence,
        *summary.claims,
        f"Centre of mass, each axis its own: ({centre['mean']:.4f}, {centre['std']:.4f}).",
        f"The page is {folder / 'report.html'}.",
    ]
    return rows, notes


def _first_layer(figures: Figures, setting: Setting) -> Measured:
    from normscope.article.first_layers import first_layers

    draws = first_layers(max(setting.seeds, 200))
    rows = [
        Row(label, figures[label], float(values.mean()), float(values.std(ddof=1)), len(values))
        for label, values in draws.items()
    ]
    root = float((1 / 9) ** 0.5)
    rows += [Row("k", figures["k"], 1 / 9, 0.0), Row("sqrt(k)", figures["sqrt(k)"], root, 0.0)]
    return rows, [
        f"Of {max(setting.seeds, 200)} draws; the uniform law's std is {root / 3**0.5:.4f}."
    ]


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


def _search(preset: str, names: dict[str, str]) -> Callable[[Figures, Setting], Measured]:
    def run(figures: Figures, setting: Setting) -> Measured:
        from normscope.findings.search_summary import summarize_search
        from normscope.studies.search import search

        study = search(
            setting.source, preset=preset, trials=setting.trials, replicates=setting.seeds,
            epochs=setting.epochs, train_images=setting.train_images, workers=setting.workers,
            out=setting.out / preset, root=setting.root,
        )  # fmt: skip
        summary = summarize_search(study)
        assert summary is not None
        shrunk = setting.shrunk or setting.trials != 200
        best = summary.best
        rows = [Row("best", figures["best"], best["accuracy"], None, 1, shrunk)]
        rows += [
            Row(label, figures[label], best["values"][name], None, 1, shrunk)
            for label, name in names.items()
        ]
        return rows, [summary.sentence]

    return run


def _resnet(figures: Figures, setting: Setting) -> Measured:
    from normscope.findings.summary import summarize
    from normscope.studies.scan import scan
    from normscope.trials.single import train

    folder = setting.out / "resnet"
    options: dict[str, Any] = {
        "model": setting.model, "weights": setting.weights, "recipe": "frozen", "resize": 256,
        "crop": 224, "workers": setting.workers, "root": setting.root,
    }  # fmt: skip
    shrunk = setting.model != "resnet18" or setting.images != "imagenet"
    rows = []
    one = {name: value for name, value in options.items() if name != "workers"}
    for label, at in (("imagenet", "0.485,0.456,0.406/0.229,0.224,0.225"), ("half", "0.5/0.5")):
        found = train(setting.images, norm=at, **one).result
        noise = (found.accuracy * (1 - found.accuracy) / found.test_images) ** 0.5
        rows.append(Row(label, figures[label], found.accuracy, noise, 1, shrunk))
    study = scan(
        setting.images, mean=f"-1:2:{setting.grid}", std=f"0.05:1:{setting.grid}:log",
        out=folder, **options,
    )  # fmt: skip
    summary = summarize(study)
    assert summary is not None
    best = summary.best["accuracy"]
    label = "wide grid best"
    rows.append(Row(label, figures[label], best, summary.accuracy_se, 1, shrunk))
    stand_in = f"{setting.model} on {setting.images}"
    notes = [f"{stand_in} stands in for resnet18 on ImageNet."] if shrunk else []
    return rows, [*notes, summary.sentence, *summary.claims]


RUNNERS: dict[str, Callable[[Figures, Setting], Measured]] = {
    "mnist-statistics": _mnist_statistics,
    "lenet-training": _lenet_training,
    "lenet-points": _lenet_points,
    "lenet-grid": _lenet_grid,
    "first-layer": _first_layer,
    "lenet-search": _search("lenet", {"best at mean": "mean", "best at std": "std"}),
    "lenet-init-search": _search(
        "lenet-init", {"best at weight": "weight-init", "best at bias": "bias-init"}
    ),
    "resnet": _resnet,
}
