"""``normscope report``: a finished study's summary and pictures, again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from normscope.cli import options
from normscope.cli.output import show, write_json

if TYPE_CHECKING:
    from rich.table import Table

    from normscope.findings.summary import Summary
    from normscope.normalization import Normalization

EXAMPLE = "Example: normscope report runs/digits-lenet"

COMPARISON = Path("comparison.html")

Margin = Annotated[
    float, typer.Option(help="The largest difference of accuracy that does not matter.")
]
Reference = Annotated[
    str | None,
    typer.Option(
        help="What cells are compared with: data (the source's own statistics, the default), none, "
        "or a cell of the grid as MEAN/STD."
    ),
]


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(help="A study's folder, or several.", metavar="DIR..."),
    ],
    margin: Margin = 0.002,
    reference: Reference = None,
    out: Annotated[
        Path,
        typer.Option(help="The page that compares several studies; one's own lies in its folder."),
    ] = COMPARISON,
    storage: options.Storage = None,
    study: options.StudyName = None,
    json: options.Json = None,
) -> None:
    """Show what a study says, and write its page again; or compare several."""
    from normscope.studies.study import is_search

    if len(folders) == 1 and is_search(folders[0]):
        import optuna

        from normscope.cli.search import show_search
        from normscope.studies.search_study import SearchStudy

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        show_search(SearchStudy.open(folders[0], storage, study), json)
    elif len(folders) == 1:
        show_report(folders[0], json, margin, reference)
    else:
        _show_comparison(folders, out, json, margin, reference)


def show_report(
    folder: Path, json: str | None, margin: float = 0.002, reference: str | None = None
) -> None:
    """Write a study's summary, figures and page, and print the summary.

    Args:
        folder: The study's folder.
        json: What ``--json`` was given.
        margin: The largest difference of accuracy that does not matter.
        reference: What ``--reference`` was given.
    """
    from normscope.reports.writing import FIGURES, PAGE, SUMMARY
    from normscope.reports.writing import report as write_report

    summary = write_report(folder, margin, _reference(reference))
    show(
        _table(summary),
        summary.sentence,
        *summary.claims,
        f"Written: {folder / SUMMARY}, {folder / PAGE}, {folder / FIGURES}/",
        json_target=json,
    )
    write_json(summary.to_json(), json)


def _reference(text: str | None) -> Normalization | None:
    from normscope.normalization import Normalization

    return None if text in {None, "data"} else Normalization.parse(str(text))


def _show_comparison(
    folders: list[Path], out: Path, json: str | None, margin: float, reference: str | None
) -> None:
    from rich import box
    from rich.table import Table

    from normscope.reports.comparing import compare

    comparison = compare(folders, out, margin, _reference(reference))
    table = Table("study", "best cell", "accuracy", "at data", "at none", box=box.SIMPLE_HEAD)
    for study in comparison.studies:
        summary = study.summary
        best = f"{summary.best['mean']:.4g}/{summary.best['std']:.4g}"
        accuracies = [
            "" if row is None else f"{row['accuracy']:.4f}"
            for row in (summary.best, summary.at_data, summary.at_none)
        ]
        table.add_row(Text(study.name), best, *accuracies)
    show(table, *comparison.sentences, f"Written: {out}", json_target=json)
    write_json(comparison.to_json(), json)


def _table(summary: Summary) -> Table:
    from rich import box
    from rich.table import Table

    table = Table("", "mean", "std", "accuracy", box=box.SIMPLE_HEAD)
    rows: list[tuple[str, dict[str, Any] | None]] = [
        ("best cell", summary.best),
        ("worst cell", summary.worst),
        ("source's own statistics", summary.at_data),
        ("no normalization", summary.at_none),
        ("what the weights expect", summary.at_model),
    ]
    for name, row in rows:
        if row is not None:
            table.add_row(name, _of("mean", row), _of("std", row), f"{row['accuracy']:.4f}")
    centre = summary.centre_of_mass
    table.add_row("centre of mass", _of("mean", centre), _of("std", centre), "")
    best = summary.best_95_percent
    table.add_row(
        f"best 95 % ({best['cells']} cells)", "", "", f"{best['mean']:.4f} ± {best['spread']:.4f}"
    )
    table.add_row("spread over cells", "", "", f"{summary.spread:.4f}")
    if summary.cell_std is not None and summary.seed_std is not None:
        table.add_row("std between cells", "", "", f"{summary.cell_std:.4f}")
        table.add_row("std between seeds", "", "", f"{summary.seed_std:.4f}")
    table.add_row("trials", "", "", f"{summary.trials} of {summary.planned}")
    return table


def _of(kind: str, row: dict[str, Any]) -> str:
    """The mean or the std of a row, with the axes of single channels where there are any."""
    shared = [_numbers(row[kind])] if kind in row else []
    single = [f"{n[-1]} {v:.4g}" for n, v in row.items() if n.startswith(f"{kind}-")]
    return ", ".join([*shared, *single])


def _numbers(value: float | list[float]) -> str:
    values = value if isinstance(value, list) else [value]
    return ", ".join(f"{v:.4g}" for v in values)
