"""The page of an audit, and the files beside it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from normscope.figures.audit_prices import audit_prices, draw_audit_prices
from normscope.reports.commands import options_command
from normscope.reports.page import render
from normscope.reports.report_files import ReportFiles
from normscope.studies.study_file import FIGURES, PAGE
from normscope.wording import share

if TYPE_CHECKING:
    from pathlib import Path

    from normscope.auditing.audit_result import Audit

NUMBERS = "audit.json"
FIGURE = "audit.png"


def write_audit(audit: Audit, folder: Path) -> list[Path]:
    """Write an audit's numbers, figure and page into a folder.

    Returns:
        The files: ``audit.json``, ``figures/audit.png`` and ``report.html``.
    """
    figure = folder / FIGURES / FIGURE
    figure.parent.mkdir(parents=True, exist_ok=True)
    files = ReportFiles(folder)
    files.numbers(NUMBERS, audit.to_json())
    written = [folder / NUMBERS]
    image = None
    if audit.priced or audit.tested is not None:
        files.figure(f"{FIGURES}/{FIGURE}", draw_audit_prices(audit_prices(audit)))
        image = figure.read_bytes()
        written.append(figure)
    files.text(PAGE, audit_page(audit, image))
    return [*written, folder / PAGE]


def audit_page(audit: Audit, image: bytes | None) -> str:
    """Write an audit's page.

    Args:
        audit: What was found.
        image: Its figure as a PNG, if there is one.

    Returns:
        HTML, with its style, script and figure inside. Names appear as text.
    """
    prices = [
        cost.disagreement if cost.lost is None else cost.lost
        for cost in (mistake.cost for mistake in audit.mistakes)
        if cost is not None
    ]
    return render(
        "audit.html",
        title=f"{audit.model} on {audit.source}",
        data={},
        audit=audit,
        largest=max([*prices, 1e-9]),
        image=image,
        share=partial(share, images=audit.images),
        facts=[
            ("images", f"{audit.images:,}"),
            ("duration", f"{audit.seconds:,.0f} s"),
            *(
                (name.replace("_", " "), str(value))
                for name, value in audit.settings.items()
                if value is not None
            ),
        ],
        command=options_command("audit", audit.model, audit.source, audit.options),
    )
