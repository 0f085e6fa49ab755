"""``normscope report``: a finished study's summary and pictures, again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from normscope.cli import options
from normscope.cli.kept_report import PrintedReport, fingerprint, keep_report, kept_report
from normscope.cli.output import PlainTable, show, write_json

if TYPE_CHECKING:
    from normscope.studies.study import Study

EXAMPLE = "Example: normscope report runs/digits-lenet"

COMPARISON = Path("comparison.html")

Margin = Annotated[
    float | None,
    typer.Option(
        help="The largest loss of accuracy that does not matter; by default 0.002, or the smallest "
        "loss that the study can resolve if that is larger."
    ),
]
Reference = Annotated[
    str | None,
    typer.Option(
        help="What to compare cells with: data (the source's own statistics), none, or a cell of "
        "the grid as MEAN/STD; by default data, or what a frozen network's weights expect."
    ),
]


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(help="A study's folder, or several.", metavar="DIR"),
    ],
    margin: Margin = None,
    reference: Reference = None,
    out: Annotated[
        Path,
        typer.Option(help="Where to write the page that compares several studies."),
    ] = COMPARISON,
    storage: options.Storage = None,
    study: options.StudyName = None,
    json: options.Json = None,
) -> None:
    """Show what a study says and rewrite its page, or compare several studies."""
    from normscope.errors import NormscopeError
    from normscope.studies.study_file import is_search

    if study is not None and storage is None:
        raise NormscopeError(
            f"--study must be given with --storage, the database that holds it, got {study} alone. "
            "Give both, or leave it out."
        )
    alone = len(folders) == 1 and storage is None
    asked = fingerprint(folders[0], margin, reference) if alone else None
    if kept := kept_report(folders[0], asked):
        printed, summary = kept
        show(
            *printed.sentences,
            *printed.tables,
            printed.written_into(folders[0]),
            json_target=json,
        )
        write_json(summary, json)
        return
    import optuna

    from normscope.studies.study import Study

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if len(folders) == 1 and is_search(folders[0]):
        from normscope.cli.search import show_search
        from normscope.studies.search_study import SearchStudy

        show_search(SearchStudy.open(folders[0], storage, study), json, asked=asked)
    elif len(folders) == 1:
        opened = Study.open(folders[0], storage, study)
        show_report(opened, json, margin, reference, asked=asked)
    else:
        _show_comparison(folders, out, json, margin, reference)


def show_report(
    study: Study,
    json: str | None,
    margin: float | None = None,
    reference: str | None = None,
    *,
    asked: str | None = None,
) -> None:
    """Print what a study says, and write its summary, figures and page.

    Args:
        study: The study.
        json: What ``--json`` was given.
        margin: The largest difference of accuracy that does not matter.
        reference: What ``--reference`` was given.
        asked: The report's fingerprint, where it is to be kept.
    """
    from normscope.findings.summary_table import summary_table
    from normscope.reports.report_files import ReportFiles
    from normscope.reports.writing import read_summary, write_files

    folder, files = study.folder, ReportFiles(study.folder)
    results, summary = read_summary(study, margin, reference)
    table = PlainTable(*summary_table(summary.findings))
    printed = PrintedReport([summary.answer, *summary.reasons], [table], f"{summary.counts}.")
    try:
        show(*printed.sentences, table, json_target=json)
    finally:  # also where nobody reads on, as in front of head -1
        write_files(files, results, summary)
        keep_report(folder, asked, printed, files.digests)
    show(printed.written_into(folder), json_target=json)
    write_json(summary.to_json(), json)


def _show_comparison(
    folders: list[Path], out: Path, json: str | None, margin: float | None, reference: str | None
) -> None:
    from normscope.reports.comparing import compare

    comparison = compare(folders, out, margin, reference)
    table = PlainTable(*comparison.table)
    show(*comparison.sentences, table, f"Written: {out}", json_target=json)
    write_json(comparison.to_json(), json)
