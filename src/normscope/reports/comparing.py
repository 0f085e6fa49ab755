"""Several studies side by side."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError
from normscope.figures.failure_boundaries import (
    STYLES,
    draw_failure_boundaries,
    failure_boundary,
)
from normscope.findings.between_studies import StudyDifference, study_differences
from normscope.findings.comparison import IN_WORDS
from normscope.findings.summary_table import (
    HIGHEST,
    NOTHING,
    OWN,
    accuracy_text,
    notable_cells,
    without_blanks,
)
from normscope.margin import MARGIN
from normscope.reports.page import render
from normscope.reports.report_files import DOTS_PER_INCH
from normscope.reports.writing import read_summary
from normscope.studies.study import Study
from normscope.studies.study_file import flat
from normscope.wording import counted, listed, percent
from normscope.writing import check_ours, write_result

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from normscope.findings.summary import Summary
    from normscope.normalization import Normalization
    from normscope.studies.specification import ScanSpec


OFTEN = 0.1
"""The share of failures, by the smooth map, from which on a normalization is told of."""


@dataclass(frozen=True)
class ComparedStudy:
    """One of the studies.

    Attributes:
        name: Its folder, as the caller named it.
        specification: What it is.
        summary: What it says.
        differences: From the first study, where both tried the same; empty for the first.
    """

    name: str
    specification: ScanSpec
    summary: Summary
    differences: list[StudyDifference]

    @property
    def title(self) -> str:
        """What was trained on what."""
        return f"{self.specification.trial.model} on {self.specification.trial.source}"

    @property
    def failed(self) -> str:
        """How many of its runs failed; nothing where that is unknown."""
        cells = self.summary.findings.cells
        runs = sum(cell.trainings for cell in cells)
        return f"{sum(cell.failures for cell in cells):,} of {runs:,}" if runs else ""

    @property
    def row(self) -> list[str]:
        """Its name, its answer and the accuracies that a reader looks for first."""
        found = self.summary.findings
        cells = notable_cells(found)
        word = self.summary.answer.partition(":")[0]
        seeds = str(found.seeds) if found.seeds else ""
        accuracies = [accuracy_text(cells.get(name)) for name in (HIGHEST, OWN, NOTHING)]
        if accuracies[0]:
            accuracies[0] += f" at {cells[HIGHEST].normalization:.4g}"
        return [self.name, word, seeds, self.failed, *accuracies]


@dataclass(frozen=True)
class Comparison:
    """Several studies.

    Attributes:
        studies: In the order of the call; the first is what the others are compared with.
        margin: The largest difference of accuracy that does not matter.
    """

    studies: list[ComparedStudy]
    margin: float

    @property
    def sentences(self) -> list[str]:
        """What is known of each study against the first."""
        measured = any(study.summary.findings.seeds for study in self.studies)
        compared = self.studies[1:] if measured else []
        return [*map(self._sentence, compared), *self._failures()]

    @property
    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headings, and a row for each study; columns that say nothing are left out."""
        columns = ["study", "answer", "seeds", "failed", HIGHEST, OWN, NOTHING]
        return without_blanks(columns, [study.row for study in self.studies])

    def _failures(self) -> list[str]:
        """Where one training in ten fails, in units that carry over to other images."""
        often, never = [], []
        for study in self.studies:
            cells = [cell for cell in study.summary.findings.cells if cell.trainings]
            failing = [
                (abs(cell.units.distance), cell.smooth)
                for cell in cells
                if cell.smooth and cell.smooth.share >= OFTEN
            ]
            if failing:
                distance, there = min(failing, key=itemgetter(0))
                ends = f"{percent(there.low)} to {percent(there.high)}"
                often.append(f"{distance:.2g} in {study.name} ({ends})")
            elif cells and not any(cell.failures for cell in cells):
                most = max(abs(cell.units.distance) for cell in cells)
                never.append(f"none up to {most:.2g} in {study.name}")
        if not often or len(often) + len(never) < 2:
            return []
        start = (
            "In the data's own stds, one run in ten or more fails from a mean this far off (in "
            "brackets the 95 % interval of the share there)"
        )
        return [f"{start}: {', '.join([*often, *never])}."]

    def _sentence(self, study: ComparedStudy) -> str:
        first = self.studies[0].name
        found = study.differences
        if not found:
            return f"{study.name} and {first} share no normalization of known accuracy."
        words = {**IN_WORDS, "equivalent": f"as good within {self.margin:g}"}
        counts = Counter(difference.verdict for difference in found)
        both = f"{counted(len(found), 'normalization')} that both tried"
        if counts["open"] == len(found):
            where = (
                "at any of the " + both
                if len(found) > 1
                else "at the only normalization that both tried"
            )
            return (
                f"Not settled: {study.name} cannot be told from {first} {where}; run more seeds of "
                "each."
            )
        said = listed([f"{counts[v]} {word}" for v, word in words.items() if counts[v]])
        return f"{study.name} against {first}, at {both}: {said}."

    @property
    def settings(self) -> dict[str, list[Any]]:
        """What differs between the studies by name, as each has it, but for how far they go."""
        fields = [flat(study.specification.to_json()) for study in self.studies]
        apart = {"fingerprint", "seeds", "first_seed", "survival"}
        names = [name for name in dict.fromkeys(chain(*fields)) if name not in apart]
        rows = {name: [found.get(name) for found in fields] for name in names}
        return {name: row for name, row in rows.items() if any(v != row[0] for v in row)}

    def to_json(self) -> dict[str, Any]:
        """Every field by name."""
        return {
            "margin": self.margin,
            "sentences": self.sentences,
            "studies": [
                {
                    "name": study.name,
                    "title": study.title,
                    "summary": study.summary.to_json(),
                    "differences": [d.to_json() for d in study.differences],
                }
                for study in self.studies
            ],
        }


def compare(
    folders: Sequence[Path],
    out: Path,
    margin: float | None = None,
    reference: Normalization | str | None = None,
) -> Comparison:
    """Compare studies with the first of them, and write a page.

    Args:
        folders: At least two studies' folders.
        out: The page.
        margin: The largest loss of accuracy that does not matter; by default 0.002, or what the
            study can resolve where that is more.
        reference: What each study's own cells are compared with.

    Returns:
        The comparison.

    Raises:
        NormscopeError: If there are fewer than two folders, or one is given twice.
    """
    if len(folders) < 2:
        raise NormscopeError(
            f"a comparison must have at least two studies, got {len(folders)}. Name another folder."
        )
    twice = [f for f, count in Counter(f.resolve() for f in folders).items() if count > 1]
    if twice:
        raise NormscopeError(f"each study must be given once, got {twice[0]} twice. Leave one out.")
    check_ours(out)
    read = [read_summary(Study.open(folder), margin, reference) for folder in folders]
    first = read[0][1].findings
    studies = []
    for k, (folder, (results, summary)) in enumerate(zip(folders, read, strict=True)):
        cells = summary.findings.cells
        differences = study_differences(first.cells, cells, margin or MARGIN) if k else []
        studies.append(ComparedStudy(str(folder), results.specification, summary, differences))
    comparison = Comparison(studies, margin or MARGIN)
    write_result(out, _page(comparison))
    return comparison


def _page(comparison: Comparison) -> str:
    cells = [
        {
            **d.to_json(),
            "name": f"{d.normalization:.3g}",
            "study": study.name,
            "verdict": IN_WORDS[d.verdict],
        }
        for study in comparison.studies
        for d in study.differences
    ]
    titles = dict.fromkeys(study.title for study in comparison.studies)
    return render(
        "comparison.html",
        title=" and ".join(titles),
        data={"compared": cells, "several": len(comparison.studies) > 2},
        comparison=comparison,
        table=comparison.table,
        boundaries=_boundaries(comparison),
    )


def _boundaries(comparison: Comparison) -> bytes | None:
    """The figure as a PNG, where there are failures to show and few enough studies to tell."""
    studies = {s.name: failure_boundary(s.summary.findings) for s in comparison.studies}
    if len(studies) > len(STYLES) or not any(study.failed.any() for study in studies.values()):
        return None
    drawn = io.BytesIO()
    draw_failure_boundaries(studies).savefig(drawn, dpi=DOTS_PER_INCH)
    return drawn.getvalue()
