"""Studies over the same grid, cell by cell: what freezing, fine-tuning or BatchNorm changes.

Run ``python -m benchmarks.compare_studies LABEL=FOLDER LABEL=FOLDER ...`` on finished scans. Every
cell that all of them have gets a row of mean accuracies with standard errors over seeds; the last
rows are the range over cells, and the std between cells beside the std between seeds. With
``--figure FILE`` the same is drawn.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from normscope.findings.scan_results import ScanResults
from normscope.findings.summary import cell_std, seed_std
from normscope.studies.study import Study


@dataclass(frozen=True)
class Column:
    """One study of the comparison.

    Attributes:
        label: What it is called.
        means: Mean accuracy by normalization.
        errors: Standard error over seeds by normalization; NaN for one seed.
        between_cells: The grid's std between cells; None for one seed.
        between_seeds: Its std between seeds; None for one seed.
    """

    label: str
    means: dict[str, float]
    errors: dict[str, float]
    between_cells: float | None
    between_seeds: float | None


def column(label: str, folder: Path) -> Column:
    """Read a study.

    Args:
        label: What it is called.
        folder: A scan's.

    Returns:
        Its accuracies by normalization, the references among them.
    """
    results = ScanResults.read(Study.open(folder))
    accuracies: dict[str, list[float]] = {}
    for trial in results.trials:
        name = f"{trial.spec.normalization:.4g}"
        accuracies.setdefault(name, []).append(trial.result.accuracy)
    return Column(
        label,
        {name: float(np.mean(values)) for name, values in accuracies.items()},
        {
            name: float(np.std(values, ddof=1) / np.sqrt(len(values)))
            if len(values) > 1
            else float("nan")
            for name, values in accuracies.items()
        },
        cell_std(results.grid),
        seed_std(results.grid),
    )


def table(columns: list[Column]) -> str:
    """The comparison as Markdown.

    Args:
        columns: One a study.

    Returns:
        A table.
    """
    shared = [n for n in columns[0].means if all(n in c.means for c in columns)]
    lines = [
        "| normalization | " + " | ".join(c.label for c in columns) + " |",
        "|---|" + "---|" * len(columns),
    ]
    for name in shared:
        cells = [f"{c.means[name]:.4f}{_error(c.errors[name])}" for c in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    ranges = [np.ptp([c.means[n] for n in shared]) for c in columns]
    lines.append("| **range** | " + " | ".join(f"{r:.4f}" for r in ranges) + " |")
    for title, values in (
        ("std between cells", [c.between_cells for c in columns]),
        ("std between seeds", [c.between_seeds for c in columns]),
    ):
        texts = ["" if v is None else f"{v:.4f}" for v in values]
        lines.append(f"| **{title}** | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def draw(columns: list[Column]) -> Figure:
    """The comparison as a picture.

    Args:
        columns: One a study.

    Returns:
        A figure of 9 x 5 inches.
    """
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.add_subplot()
    shared = [n for n in columns[0].means if all(n in c.means for c in columns)]
    for column_ in columns:
        axes.errorbar(
            range(len(shared)),
            [column_.means[n] for n in shared],
            [np.nan_to_num(column_.errors[n]) for n in shared],
            marker="o",
            linestyle="",
            capsize=3,
            label=column_.label,
        )
    axes.set_xticks(range(len(shared)), shared, rotation=30, ha="right", fontsize=8)
    axes.set(ylabel="test accuracy", xlabel="normalization")
    axes.legend(frameon=False)
    return figure


def _error(error: float) -> str:
    return "" if np.isnan(error) else f" ± {error:.4f}"


def main() -> None:
    """Print the table, and draw it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="+", metavar="LABEL=FOLDER")
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    columns = [column(*_named(text)) for text in arguments.studies]
    print(table(columns))
    if arguments.figure:
        draw(columns).savefig(arguments.figure, dpi=120)


def _named(text: str) -> tuple[str, Path]:
    label, _, folder = text.rpartition("=")
    return label or folder, Path(folder)


if __name__ == "__main__":
    main()
