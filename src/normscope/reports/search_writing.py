"""Writes a search's summary, figures and page into its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normscope.figures.search_contours import (
    draw_search_contours,
    known_values,
    search_contours,
)
from normscope.figures.search_coordinates import draw_search_coordinates, search_coordinates
from normscope.figures.search_history import draw_search_history, search_history
from normscope.figures.search_importances import draw_search_importances
from normscope.findings.comparison import IN_WORDS
from normscope.findings.search_summary import summarize_search
from normscope.reports.commands import search_command
from normscope.reports.page import render
from normscope.reports.page_data import colours, run_facts
from normscope.reports.report_files import ReportFiles
from normscope.studies.study_file import FIGURES, PAGE, SUMMARY

if TYPE_CHECKING:
    from pathlib import Path

    from normscope.findings.search_findings import SearchSummary
    from normscope.studies.search_study import SearchStudy

PANELS = {
    "history": ("History", "wide"),
    "contours": ("Where accuracy is high", "wide coloured"),
    "parallel_coordinates": ("The best configurations", "wide coloured"),
    "importances": ("Which parameter matters", "wide"),
}
"""By file: the heading, and how its section looks; colours keep their meaning on a dark page."""


def write_search_report(study: SearchStudy, files: ReportFiles | None = None) -> SearchSummary:
    """Write the summary and the figures of an open search.

    Args:
        study: The search.
        files: What notes what is written, for whoever keeps it.

    Returns:
        The summary.

    Raises:
        WorkFailed: If every one of its trials diverged, as of ``summarize_search``.
        NormscopeError: If none of its trials has finished.
    """
    folder, study = study.folder, study.read()
    summary = summarize_search(study)
    files = files or ReportFiles(folder)
    files.numbers(SUMMARY, summary.to_json())
    history = search_history(study, summary.honest_best)
    files.figure(f"{FIGURES}/history.png", draw_search_history(history))
    # One finished trial has neither neighbours nor a better one, so there is nothing to map.
    if len(study.specification.over) > 1 and summary.trials > 1:
        files.figure(f"{FIGURES}/contours.png", draw_search_contours(search_contours(study)))
        coordinates = search_coordinates(study)
        files.figure(f"{FIGURES}/parallel_coordinates.png", draw_search_coordinates(coordinates))
    if summary.importance is not None:
        files.figure(f"{FIGURES}/importances.png", draw_search_importances(summary.importance))
    files.text(PAGE, search_page(study, summary, folder / FIGURES))
    return summary


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
        (heading, looks + broad.get(name, ""), path.read_bytes())
        for name, (heading, looks) in PANELS.items()
        if (path := figures / f"{name}.png").is_file()
    ]
    return render(
        "search.html",
        title=f"{trial.model} on {trial.source}",
        data=data,
        summary=summary,
        panels=panels,
        verdicts=IN_WORDS,
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
    done, wanted = summary.done, summary.wanted
    return f"{done} of {wanted}" if done <= wanted else f"{done} ({wanted} wanted)"
