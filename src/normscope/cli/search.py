"""``normscope search``: the best numbers, and whether they were worth the search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normscope.cli import options
from normscope.cli.kept_report import PrintedReport, fingerprint, keep_report
from normscope.cli.output import PlainTable, note_source, resumable, show, write_json
from normscope.progress import progress
from normscope.studies.options import Place, SearchOptions
from normscope.wording import level

if TYPE_CHECKING:
    from normscope.findings.search_findings import SearchSummary
    from normscope.studies.search_study import SearchStudy

EXAMPLE = (
    "Example: normscope search mnist --over mean=-1:2 --over std=0.05:1:log --trials 200 "
    "--epochs 2 --train-images 10000"
)


@options.expanded
def search(chosen: SearchOptions, place: Place, *, json: options.Json = None) -> None:
    """Which values are really best? Search for them, then repeat the best with fresh seeds."""
    import optuna

    from normscope.studies.search import plan_search, run_search

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with progress("images") as update:
        plan = plan_search(chosen, update)
    note_source(plan.source)
    with (
        progress("trials") as update,
        resumable(plan.out, place.storage, update) as noted,
    ):
        found = run_search(plan, place, noted)
    show_search(found, json, asked=None if place.storage else fingerprint(found.folder))


def show_search(study: SearchStudy, json: str | None, *, asked: str | None = None) -> None:
    """Write a search's summary and figures, and print them.

    Args:
        study: The search.
        json: What ``--json`` was given.
        asked: The report's fingerprint, where it is to be kept.
    """
    from normscope.figures.search_contours import known_values
    from normscope.reports.report_files import ReportFiles
    from normscope.reports.search_writing import write_search_report

    folder, files = study.folder, ReportFiles(study.folder)
    summary = write_search_report(study, files)
    tables = _tables(summary, known_values(study))
    printed = PrintedReport([summary.answer, *summary.reasons], tables)
    keep_report(folder, asked, printed, files.digests)
    show(*printed.sentences, *tables, printed.written_into(folder), json_target=json)
    write_json(summary.to_json(), json)


def _tables(summary: SearchSummary, known: dict[str, dict[str, float]]) -> list[PlainTable]:
    from normscope.findings.search_findings import with_interval

    names = list(summary.best["values"])
    # Six constants and two results have to fit 80 columns.
    digits = 4 if len(names) < 4 else 2
    headings = (f"{summary.chosen_on}, in the search", "test, fresh seeds (95 %)")
    if len(names) > 3:
        headings = (summary.chosen_on[:5], "test, fresh")
    best = PlainTable(["", *names, *headings], [], padding=1 if digits == 4 else 0)
    rows = summary.repeated or [{**summary.best, "optimistic": summary.best["score"]}]
    for place, row in enumerate(rows, 1):
        fresh = with_interval(row) if summary.repeated else ""
        values = [f"{row['values'][name]:.{digits}g}" for name in names]
        best.rows.append([str(place), *values, level(row["optimistic"]), fresh])
    for name, row in summary.references.items():
        values = [known[name].get(parameter) for parameter in names]
        shown = ["" if value is None else f"{value:.{digits}g}" for value in values]
        best.rows.append([name, *shown, "", with_interval(row)])
    matters = ["importance"] * (summary.importance is not None)
    headings = [f"best {summary.good.trials} of {summary.done}", "median", "from", "to", *matters]
    good = PlainTable(headings, [])
    for name, found in summary.good.parameters.items():
        share = [] if summary.importance is None else [f"{summary.importance[name]:.2f}"]
        numbers = [f"{value:.4g}" for value in (found.median, found.low, found.high)]
        good.rows.append([name, *numbers, *share])
    few = len(rows) == summary.trials or summary.all_equal
    return [best] if few else [best, good]
