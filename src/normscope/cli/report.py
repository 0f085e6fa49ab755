"""``normscope report``: a finished study's summary and pictures, again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from normscope.cli import options
from normscope.cli.output import show, write_json

if TYPE_CHECKING:
    from rich.table import Table

    from normscope.findings.summary import Summary

EXAMPLE = "Example: normscope report runs/digits-lenet"


def report(
    folder: Annotated[Path, typer.Argument(help="A study's folder.", metavar="DIR")],
    storage: options.Storage = None,
    study: options.StudyName = None,
    json: options.Json = None,
) -> None:
    """Show what a study says, and draw its pictures again."""
    from normscope.studies.study import is_search

    if is_search(folder):
        import optuna

        from normscope.cli.search import show_search
        from normscope.studies.search_study import SearchStudy

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        show_search(SearchStudy.open(folder, storage, study), json)
    else:
        show_report(folder, json)


def show_report(folder: Path, json: str | None) -> None:
    """Write a study's summary and figures, and print them.

    Args:
        folder: The study's folder.
        json: What ``--json`` was given.
    """
    from normscope.reports.writing import FIGURES, SUMMARY
    from normscope.reports.writing import report as write_report

    summary = write_report(folder)
    show(
        _table(summary),
        summary.sentence,
        f"Written: {folder / SUMMARY}, {folder / FIGURES}/",
        json_target=json,
    )
    write_json(summary.to_json(), json)


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
