"""Writes a study's summary and figures into its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.figures.accuracy_map import accuracy_map, draw_accuracy_map
from normscope.figures.best_cells import best_cells_histogram, draw_best_cells
from normscope.findings.summary import Summary, summarize
from normscope.studies.study import Study
from normscope.writing import replacing, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUMMARY = "summary.json"
FIGURES = "figures"
DOTS_PER_INCH = 150


def report(folder: str | Path) -> Summary:
    """Read a study and write ``summary.json`` and ``figures/*.png`` into its folder, without torch.

    Args:
        folder: The study's folder.

    Returns:
        The summary.

    Raises:
        NormscopeError: If it holds no study, or one without a seed finished in every cell.
    """
    folder = Path(folder)
    study = Study.open(folder)
    summary = summarize(study)
    if summary is None:
        raise NormscopeError(
            f"{folder} must hold a scan with at least one seed finished in every cell, "
            f"got {len(study.trials())} of {len(study.specification.trials())} trials. "
            "Run the scan again to finish it."
        )
    write_text(folder / SUMMARY, json.dumps(summary.to_json(), indent=2, allow_nan=False) + "\n")
    (folder / FIGURES).mkdir(exist_ok=True)
    save_figure(draw_accuracy_map(accuracy_map(study)), folder / FIGURES / "accuracy_map.png")
    save_figure(
        draw_best_cells(best_cells_histogram(study)), folder / FIGURES / "best_95_percent.png"
    )
    return summary


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in one step.

    Args:
        figure: Drawn.
        path: The PNG file, in a folder that exists.
    """
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=DOTS_PER_INCH)
