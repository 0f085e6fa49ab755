"""A scan in a few rows of text, and as a small map, for terminals and notebooks alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from normscope.normalization import NONE
from normscope.notebook_html import HtmlTable
from normscope.rounding import fixed
from normscope.wording import MOST_DECIMALS, channels_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.findings.cell_findings import CellFinding
    from normscope.findings.scan_findings import Findings

HIGHEST, OWN, NOTHING = "grid's best", "data's own", "not normalized"


def summary_table(found: Findings) -> tuple[list[str], list[list[str]]]:
    """The cells that a reader looks for first, as texts.

    Args:
        found: What a scan proves.

    Returns:
        Headings and rows; a column that says nothing is left out.
    """
    columns = ("", "mean", "std", "failed", "accuracy", "std.\nerror", "loses\nat most")
    rows = []
    names: dict[CellFinding, str] = {}
    for name, cell in notable_cells(found).items():
        names[cell] = f"{names[cell]}, {name}" if cell in names else name
    for cell, name in names.items():
        accuracy = accuracy_text(cell)
        se = f"{cell.se:.2g}" if accuracy and cell.se else ""
        lost = "" if cell.loss_bound is None or not accuracy else f"{cell.loss_bound:.2g}"
        if accuracy and cell.normalization == found.reference:
            lost = "reference"
        failed = f"{cell.failures} of {cell.trainings}" if cell.trainings else ""
        mean, std = map(channels_text, (cell.normalization.mean, cell.normalization.std))
        rows.append((name, mean, std, failed, accuracy, se, lost))
    return without_blanks(columns, rows)


def without_blanks(
    columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[list[str], list[list[str]]]:
    """A table less the columns that say nothing.

    Args:
        columns: Their headings.
        rows: A text for each column.

    Returns:
        Headings and rows of the rest.
    """
    told = [k for k in range(len(columns)) if any(row[k] for row in rows)]
    return [columns[k] for k in told], [[row[k] for k in told] for row in rows]


def accuracy_text(cell: CellFinding | None) -> str:
    """The accuracy of a cell with the digits that it deserves; nothing where it has none."""
    if cell is None or cell.accuracy is None:
        return ""
    # Its standard error has two digits.
    decimals = 1 - math.floor(math.log10(cell.se)) if cell.se else MOST_DECIMALS
    return fixed(cell.accuracy, max(0, min(decimals, MOST_DECIMALS)))


def notable_cells(found: Findings) -> dict[str, CellFinding]:
    """The cells that a reader looks for first, by what they are."""
    grid = found.cells[: found.grid_cells]
    alive = [cell for cell in grid if cell.accuracy is not None]
    rows: dict[str, CellFinding] = {}
    if alive:
        rows[HIGHEST] = max(alive, key=lambda cell: cell.accuracy or 0.0)
        rows["grid's worst"] = min(alive, key=lambda cell: cell.accuracy or 0.0)
    failing = [cell for cell in grid if cell.failures]
    if failing:
        rows["most failures"] = max(failing, key=lambda cell: cell.failures / cell.trainings)
    names = {found.data: OWN, NONE: NOTHING}
    names |= {found.reference: "reference"} if found.reference not in names else {}
    for normalization, name in names.items():
        for cell in found.cells:
            if cell.normalization == normalization:
                rows[name] = cell
    return rows


def grid_map(found: Findings) -> HtmlTable | None:
    """The map over mean and std as a shaded table.

    Args:
        found: What a scan proves.

    Returns:
        A row for each std, the greatest first, and a column for each mean; None where channels
        have axes of their own.
    """
    cells = {}
    for cell in found.cells[: found.grid_cells]:
        mean, std = set(cell.normalization.mean), set(cell.normalization.std)
        if len(mean) > 1 or len(std) > 1:
            return None
        cells[mean.pop(), std.pop()] = cell
    means, stds = (sorted({place[axis] for place in cells}) for axis in (0, 1))
    if len(cells) != len(means) * len(stds):
        return None
    rows = [[cells[mean, std] for mean in means] for std in reversed(stds)]
    reached = [c.accuracy for row in rows for c in row if c.accuracy is not None]
    low, width = min(reached, default=0.0), (max(reached, default=0.0) - min(reached, default=0.0))
    return HtmlTable(
        ["std \\ mean", *(f"{mean:.3g}" for mean in means)],
        [[f"{std:.3g}", *map(_in_map, row)] for std, row in zip(reversed(stds), rows, strict=True)],
        "Accuracy of the runs that learned, and how many failed",
        [
            [None if c.accuracy is None else (c.accuracy - low) / (width or 1) for c in row]
            for row in rows
        ],
    )


def _in_map(cell: CellFinding) -> str:
    accuracy = "" if cell.accuracy is None else f"{cell.accuracy:.3f}"
    failed = f"{cell.failures} of {cell.trainings} failed" if cell.failures else ""
    return ", ".join(text for text in (accuracy, failed) if text)
