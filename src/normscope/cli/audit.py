"""``normscope audit``: what each common preprocessing mistake would cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from normscope.auditing.options import AuditOptions
from normscope.cli import options
from normscope.cli.output import note, note_skipped, printable, show, write_json
from normscope.cli.progress import progress

if TYPE_CHECKING:
    from rich.table import Table

    from normscope.auditing.audit_numbers import Cost
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
    from normscope.reports.audit_page import NUMBERS, PAGE
    from normscope.writing import check_no_file

    if out is not None:
        check_no_file(out, PAGE, NUMBERS)
    with progress("images") as update:
        found = run_audit(**vars(chosen), on_image=update)
    note_skipped(found.skipped)
    show(*found.sentences, _table(found), *_left_out(found), json_target=json)
    write_json(found.to_json(), json)
    if out is not None:
        from normscope.reports.audit_page import write_audit

        show(f"Written: {', '.join(map(str, write_audit(found, out)))}", json_target=json)
    _exit_if_it_fails(found)


def _exit_if_it_fails(found: Audit) -> None:
    from normscope.auditing.sentences import failure

    why = failure(found)
    if found.tested is not None and why is not None:
        note(f"--pipeline {found.tested.name} {why}.")
        raise typer.Exit(FAILED)


def _table(found: Audit) -> Table:
    from rich import box
    from rich.table import Table

    heads = ["accuracy", "lost"] if found.labelled else ["disagreement"]
    heads += ["95 % interval", *["drift"] * bool(found.reference.drift)]
    described = Console().width >= ROOM_FOR_DESCRIPTIONS
    table = Table("", *[""] * described, *heads, box=box.SIMPLE_HEAD)

    def add(name: str, description: str, *numbers: str) -> None:
        table.add_row(name, *[Text(printable(description))] * described, *numbers)

    reference = found.reference
    accuracy = [] if reference.accuracy is None else [f"{reference.accuracy:.4f}"]
    drift = [_drift(reference.mean_drift)] * bool(reference.drift)
    add("reference", found.preparation, *accuracy, "", "", *drift)
    if found.tested is not None:
        add("pipeline", found.tested.name, *_numbers(found.tested.cost))
    for mistake in found.mistakes:
        if mistake.cost is not None:
            add(mistake.name, mistake.description, *_numbers(mistake.cost))
    return table


def _numbers(cost: Cost) -> list[str]:
    drift = [_drift(cost.mean_drift)] * bool(cost.drift)
    if cost.accuracy is None or cost.lost is None or cost.interval is None:
        return [f"{cost.disagreement:.4f}", _interval(cost.disagreement_interval), *drift]
    return [f"{cost.accuracy:.4f}", f"{cost.lost:.4f}", _interval(cost.interval), *drift]


def _interval(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.4f} to {interval[1]:.4f}"


def _drift(drift: float | None) -> str:
    return "" if drift is None else f"{drift:.3g}"


def _left_out(found: Audit) -> list[str]:
    return [f"{m.name} is not tested: {m.reason}." for m in found.mistakes if m.cost is None]
