"""The study's second half: a trained network, tested under normalizations it never saw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from normscope.article.agreement import Row

if TYPE_CHECKING:
    from normscope.article.setting import Figures, Measured, Runner, Setting

RANGES = {"wide": ("-3:3", "0.05:1"), "zoom": ("-0.5:1.5", "0.2:0.6")}
"""Means and stds of the published grids."""


def resnet_points(figures: Figures, setting: Setting) -> Measured:
    """Test under ImageNet's constants and under one half."""
    from normscope.trials.single import train

    rows = []
    for label in figures:
        found = train(setting.images, norm=label, **_frozen(setting)).result
        rows.append(_row(label, figures[label], found.accuracy, found.test_images, setting))
    return rows, _notes(setting)


def resnet_grid(name: str) -> Runner:
    """Make the runner of one of the grids."""

    def run(figures: Figures, setting: Setting) -> Measured:
        from normscope.reports.writing import report
        from normscope.studies.scan import scan

        mean, std = RANGES[name]
        folder = setting.out / f"resnet-{name}"
        study = scan(
            setting.images, mean=f"{mean}:{setting.grid}", std=f"{std}:{setting.grid}:log",
            workers=setting.workers, out=folder, **_frozen(setting),
        )  # fmt: skip
        summary = report(folder)
        images = study.trials()[0].result.test_images
        best = summary.best
        assert best is not None
        rows = [_row("best", figures["best"], best["accuracy"], images, setting)]
        at = f"Best at {best['mean']:.4g}/{best['std']:.4g}; the page is {folder / 'report.html'}."
        return rows, [*_notes(setting), summary.answer, *summary.reasons, at]

    return run


def resnet_search(preset: str, names: dict[str, str]) -> Runner:
    """Make the runner of one of the searches."""

    def run(figures: Figures, setting: Setting) -> Measured:
        from normscope.reports.search_writing import write_search_report
        from normscope.studies.search import search

        study = search(
            setting.images, preset=preset, trials=setting.trials, replicates=0,
            workers=setting.workers, out=setting.out / preset, **_frozen(setting),
        )  # fmt: skip
        summary = write_search_report(study)
        images = study.results()[0].result.test_images
        best = summary.best
        rows = [_row("best", figures["best"], best["accuracy"], images, setting)]
        rows += [
            Row(label, figures[label], best["values"][name], None, 1, setting.stands_in)
            for label, name in names.items()
        ]
        return rows, [*_notes(setting), summary.answer]

    return run


def _frozen(setting: Setting) -> dict[str, Any]:
    return {
        "model": setting.model, "weights": setting.weights, "recipe": "frozen", "resize": 256,
        "crop": 224, "root": setting.root,
    }  # fmt: skip


def _row(label: str, published: float, accuracy: float, images: int, setting: Setting) -> Row:
    # Nothing is trained, so what is random is the draw of the test images.
    noise = (accuracy * (1 - accuracy) / images) ** 0.5
    return Row(label, published, accuracy, noise, 1, setting.stands_in)


def _notes(setting: Setting) -> list[str]:
    if not setting.stands_in:
        return []
    return [f"{setting.model} on {setting.images} stands in for resnet18 on ImageNet."]
