"""The report page of a search."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from normscope.figures.search_contours import known_values
from normscope.reports.commands import search_command
from normscope.reports.page import render
from normscope.reports.page_data import colours, run_facts

if TYPE_CHECKING:
    from pathlib import Path

    from normscope.findings.search_findings import SearchSummary
    from normscope.studies.search_study import SearchStudy

PANELS = {
    "history": ("History", "wide"),
    "contours": ("Where accuracy is high", "wide coloured"),
    "parallel_coordinates": ("The best configurations", "coloured"),
    "importances": ("Which parameter matters", ""),
}
"""By file: the heading, and how its section looks; colours keep their meaning on a dark page."""


def search_page(study: SearchStudy, summary: SearchSummary, figures: Path) -> str:
    """Write a search's page.

    Args:
        study: A search with at least one finished trial.
        summary: What it says.
        figures: The folder with its panels, already drawn; those that are absent are left out.

    Returns:
        HTML, with its style, script, data and panels inside.
    """
    trial = study.specification.trial
    trials = study.trials()
    data = {
        "parameters": list(summary.best["values"]),
        "ranges": [
            {
                "name": r.name,
                "key": r.name,
                "low": r.low,
                "high": r.high,
                "log": r.log,
                "whole": r.whole,
            }
            for r in study.specification.over
        ],
        "references": known_values(study),
        "colours": colours(),
        "chosen_on": summary.chosen_on,
        "trials": [
            {"number": t.number, "score": t.score, "accuracy": t.accuracy, **t.values}
            for t in trials
        ],
    }
    # Several maps side by side are too small for a narrow window, which scrolls them.
    broad = {"contours": " broad"} if len(study.specification.over) > 2 else {}
    panels = [
        (heading, looks + broad.get(name, ""), base64.b64encode(path.read_bytes()).decode("ascii"))
        for name, (heading, looks) in PANELS.items()
        if (path := figures / f"{name}.png").is_file()
    ]
    return render(
        "search.html",
        title=f"{trial.model} on {trial.source}",
        data=data,
        summary=summary,
        panels=panels,
        facts=[
            ("trials", _how_many(summary)),
            *([("stopped early", str(summary.stopped_early))] if summary.stopped_early else []),
            ("sampler", summary.sampler),
            *run_facts(study.results()),
        ],
        specification=study.specification.to_toml(),
        command=search_command(study.specification),
    )


def _how_many(summary: SearchSummary) -> str:
    done, wanted = summary.trials + summary.stopped_early, summary.wanted
    return f"{done} of {wanted}" if done <= wanted else f"{done} ({wanted} wanted)"
