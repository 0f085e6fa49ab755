"""``normscope audit``: what each common preprocessing mistake would cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from normscope.auditing.options import AuditOptions
from normscope.cli import options
from normscope.cli.output import PlainTable, note, note_skipped, show, write_json
from normscope.progress import progress

if TYPE_CHECKING:
    from normscope.auditing.audit_result import Audit

EXAMPLE = (
    "Example: normscope audit squeezenet1_1 --weights default --norm imagenet --images photos "
    "--resize 256 --crop 224"
)

FAILED = 1
ROOM_FOR_DESCRIPTIONS = 100
"""Columns of a terminal, below which the table has the mistakes' names alone."""


@options.expanded
def audit(
    chosen: AuditOptions,
    *,
    out: Annotated[
        Path | None,
        typer.Option(help="Write report.html, audit.json and a figure to this folder."),
    ] = None,
    json: options.Json = None,
) -> None:
    """What would each common preprocessing mistake cost? Does this pipeline make one?"""
    from normscope.auditing.audit import audit as run_audit

    if out is not None:
        _check_free(out)
    with progress("images") as update:
        found = run_audit(**vars(chosen), on_image=update)
    note_skipped(found.skipped)
    # First of all: whoever reads what is printed may stop reading.
    written = [] if out is None else _written(found, out)
    write_json(found.to_json(), json)
    show(*found.sentences, _table(found), *found.left_out, json_target=json)
    if written:
        show(f"Written: {', '.join(map(str, written))}", json_target=json)
    _exit_if_it_fails(found)


def _check_free(out: Path) -> None:
    # Imported only with --out: it takes as long as torch.
    from normscope.reports.audit_page import NUMBERS, PAGE
    from normscope.writing import check_no_file

    check_no_file(out, PAGE, NUMBERS)


def _written(found: Audit, out: Path) -> list[Path]:
    from normscope.reports.audit_page import write_audit

    return write_audit(found, out)


def _exit_if_it_fails(found: Audit) -> None:
    from normscope.auditing.sentences import failure

    why = failure(found)
    if found.tested is not None and why is not None:
        note(f"--pipeline {found.tested.name} {why}.")
        raise typer.Exit(FAILED)


def _table(found: Audit) -> PlainTable:
    from normscope.auditing.audit_table import audit_table

    headings, rows = audit_table(found)
    # What each mistake is stands in the second column.
    kept = [k for k in range(len(headings)) if k != 1 or Console().width >= ROOM_FOR_DESCRIPTIONS]
    return PlainTable([headings[k] for k in kept], [[row[k] for k in kept] for row in rows])
