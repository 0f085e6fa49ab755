"""Writes a study's summary and figures into its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from normscope.findings.scan_results import read_finished
from normscope.findings.summary import Summary, summary_of
from normscope.keywords import checked
from normscope.reports.report_files import ReportFiles
from normscope.studies.study import Study
from normscope.studies.study_file import FIGURES, PAGE, SUMMARY, is_search
from normscope.system_errors import in_sentences

if TYPE_CHECKING:
    from normscope.findings.scan_results import ScanResults
    from normscope.findings.search_findings import SearchSummary
    from normscope.normalization import Normalization


@checked
def report(
    folder: str | Path,
    margin: float | None = None,
    reference: Normalization | str | None = None,
    *,
    storage: str | None = None,
    name: str | None = None,
) -> Summary | SearchSummary:
    """Read a study and write its summary, figures and page into its folder, without torch.

    The files are ``summary.json``, ``figures/*.png`` and ``report.html``.

    Args:
        folder: The folder of a scan or a search.
        margin: Of a scan, the largest loss of accuracy that does not matter; by default 0.002, or
            what the study can resolve where that is more.
        reference: Of a scan, what cells are compared with; see ``summarize``.
        storage: The shared database that the study was made with.
        name: What it is called there.

    Returns:
        The summary.

    Raises:
        NormscopeError: If there is no study, or one with nothing finished to report.
        WorkFailed: If every trial of a search diverged.
    """
    with in_sentences():
        return _report(Path(folder), margin, reference, storage, name)


def _report(
    folder: Path,
    margin: float | None,
    reference: Normalization | str | None,
    storage: str | None,
    name: str | None,
) -> Summary | SearchSummary:
    if is_search(folder):
        from normscope.reports.search_writing import write_search_report
        from normscope.studies.search_study import SearchStudy

        return write_search_report(SearchStudy.open(folder, storage, name))
    return write_report(Study.open(folder, storage, name), margin, reference)


def write_report(
    study: Study,
    margin: float | None = None,
    reference: Normalization | str | None = None,
) -> Summary:
    """Write an open study's summary, figures and page into its folder.

    Args:
        study: The study.
        margin: As in ``report``.
        reference: Likewise.

    Returns:
        The summary.
    """
    results, summary = read_summary(study, margin, reference)
    write_files(ReportFiles(study.folder), results, summary)
    return summary


def write_files(files: ReportFiles, results: ScanResults, summary: Summary) -> None:
    """Write what a study says into its folder: summary, figures and page.

    Args:
        files: The folder's.
        results: What was read of it.
        summary: What it says.
    """
    # Matplotlib takes half a second to import, and whoever asked has read the answer meanwhile.
    from normscope.figures.accuracy_map import accuracy_map, draw_accuracy_map
    from normscope.figures.best_cells import best_cells_histogram, draw_best_cells
    from normscope.reports.page import scan_page

    files.numbers(SUMMARY, summary.to_json())
    drawn = accuracy_map(results)
    files.figure(f"{FIGURES}/accuracy_map.png", draw_accuracy_map(drawn))
    if summary.findings.seeds:
        best = draw_best_cells(best_cells_histogram(results))
        files.figure(f"{FIGURES}/best_95_percent.png", best)
    files.text(PAGE, scan_page(results, summary, drawn))


def read_summary(
    study: Study,
    margin: float | None = None,
    reference: Normalization | str | None = None,
) -> tuple[ScanResults, Summary]:
    """Read a study that has something to say, each of its trials once.

    Args:
        study: The study.
        margin: The largest loss of accuracy that does not matter; by default 0.002, or what the
            study can resolve where that is more.
        reference: What cells are compared with.

    Returns:
        What it found, and its summary.

    Raises:
        NormscopeError: If it has nothing to say yet, as of ``summarize``.
    """
    results = read_finished(study)
    return results, summary_of(results, margin, reference)
