"""The page of a check, and the numbers beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normscope.reports.commands import options_command
from normscope.reports.page import render
from normscope.studies.study_file import PAGE
from normscope.wording import counted
from normscope.writing import write_numbers, write_result

if TYPE_CHECKING:
    from pathlib import Path

    from normscope.checking.check_result import Check

NUMBERS = "check.json"


def write_check(check: Check, folder: Path) -> list[Path]:
    """Write what a check found and its page into a folder.

    Returns:
        The files: ``check.json`` and ``report.html``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_numbers(folder / NUMBERS, check.to_json())
    write_result(folder / PAGE, check_page(check))
    return [folder / NUMBERS, folder / PAGE]


def check_page(check: Check) -> str:
    """Write a check's page, the answer first.

    Args:
        check: What was found.

    Returns:
        HTML, with its style and script inside. Names appear as text.
    """
    return render(
        "check.html",
        title=f"{check.model} on {check.source}",
        data={},
        check=check,
        scope=f"From {counted(check.images, 'image')}; more images make it surer.",
        facts=[("images", f"{check.images:,}"), ("duration", f"{check.seconds:,.0f} s")],
        command=options_command("check", check.model, check.source, check.options),
    )
