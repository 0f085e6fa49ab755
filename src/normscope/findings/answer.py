"""The answer: one sentence of at most 25 words, which says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from normscope.findings.comparison import FEWEST_SEEDS
from normscope.findings.failures import TOLERATED
from normscope.normalization import NONE
from normscope.wording import gap, percent

if TYPE_CHECKING:
    from normscope.findings.cell_findings import CellFinding
    from normscope.findings.scan_findings import Findings
    from normscope.findings.trial_table import TrialTable

OWN = "the data's statistics"

ENOUGH_SEEDS = 5
"""What a study of fewer than three is advised to have."""


def answer(found: Findings, table: TrialTable) -> str:
    """Say whether the normalization matters, and what to do.

    Returns:
        A sentence that begins with Yes, No, Only at the edges or Not settled.
    """
    if found.verdict == "yes":
        return f"Yes: {_yes(found)}."
    if found.verdict == "edges":
        where = "some runs fail" if found.edges.fails else f"losses exceed {_lost(found)}"
        return f"Only at the edges: far from {OWN} {where}; {allowed(found)}."
    if found.verdict == "no":
        failed = sum(cell.failures for cell in found.cells)
        nothing = "" if found.exact or failed else "fails or "
        few = ""
        if failed:
            few = f", and few runs fail ({failed} of {sum(c.trainings for c in found.cells):,})"
        most = f"{found.margin:.2g}"
        return f"No: no choice tried {nothing}loses more than {most}{few}; keep what you use."
    return f"Not settled: {_unsettled(found, table)}."


def allowed(found: Findings) -> str:
    """What may be used instead of the reference, and what it may cost.

    Returns:
        The largest proved rectangle with its bound, or the advice to stay at the reference.
    """
    together = found.tolerance and found.tolerance.together
    if not together or all(low == high for low, high in (together.mean, together.std)):
        return f"keep {reference_name(found)}"
    parts = [
        f"{name}s {low:.3g} to {high:.3g}" if low != high else f"{name} {low:.3g}"
        for name, (low, high) in (("mean", together.mean), ("std", together.std))
    ]
    return f"{' with '.join(parts)} lose at most {gap(max(together.bound, 0.0))}"


def reference_name(found: Findings) -> str:
    """What the study calls its reference.

    Returns:
        In words where it is the data's own, as ``MEAN/STD`` elsewhere.
    """
    return OWN if found.reference == found.data else f"{found.reference:.3g}"


def _yes(found: Findings) -> str:
    core, edges = found.usual, found.edges
    if core.fails and not core.may_wake and core.failures is not None:
        failed, tried = core.failures.worst
        return f"even near {OWN} runs fail, {failed} of {tried} at the worst; {_safest(found)}"
    best = core.best if core.best is not None else edges.best
    if best is not None:
        cell = found.cells[best]
        return (
            f"{cell.normalization:.3g} beats {reference_name(found)} by "
            f"{_between(cell.low, cell.high)}; use it"
        )
    cell = found.cells[core.worst or 0]
    if found.exact:
        # The mistake that is made most, where it was tried and costs more.
        cell = min((cell, *(c for c in found.cells if c.normalization == NONE)), key=_surely)
        name = "no normalization" if cell.normalization == NONE else f"{cell.normalization:.3g}"
        use = "prepare images as in their training"
        return f"with {name} these weights lose {_loss(cell)}; {use}"
    return (
        f"even the usual {cell.normalization:.3g} loses {_loss(cell)}; use {reference_name(found)}"
    )


def _surely(cell: CellFinding) -> float:
    """Minus the loss that a cell is proved to have at least."""
    return np.inf if cell.high is None else cell.high


def _loss(cell: CellFinding) -> str:
    return _between(-(cell.high or 0.0), -(cell.low or 0.0))


def _between(low: float | None, high: float | None) -> str:
    return f"{gap(low or 0.0)} to {gap(high or 0.0)}"


def _safest(found: Findings) -> str:
    """The normalization with the fewest failures, the reference where it is as safe as any."""
    tried = [cell for cell in found.cells if cell.trainings and cell.accuracy is not None]
    if not tried:
        return "check the recipe"
    own = found.at_reference
    best = min(tried, key=lambda c: (c.failures / c.trainings, -c.trainings, c is not own))
    if own.trainings and own.failures / own.trainings <= best.failures / best.trainings:
        best = own
    name = reference_name(found) if best is own else f"{best.normalization:.3g}"
    return f"use {name} ({best.failures} of {best.trainings} fail)"


def _lost(found: Findings) -> str:
    worst = found.edges.worst
    cell = found.cells[worst if worst is not None else 0]
    return gap(-(cell.high or 0.0))


def _all_failed(table: TrialTable) -> str:
    if table.like_chance is not None:
        return (
            f"no run can be told from chance on {table.test_images} test images; use more, or "
            "more --epochs"
        )
    if table.dominated and table.all_stuck:
        return (
            f"no run beats the most frequent class alone, {percent(table.chance)} of the test "
            "images; balance the classes, or train longer"
        )
    return "every run failed, so the fault lies elsewhere; check labels, or train longer"


def _unsettled(found: Findings, table: TrialTable) -> str:
    core, edges = found.usual, found.edges
    if table.cells < 2:
        return "one cell has nothing to be compared with; give several values of --mean and --std"
    if table.all_failed:
        return _all_failed(table)
    failing, here = ("", OWN) if not edges.fails else (f"far from {OWN} some runs fail; ", "them")
    if core.fails:
        return _failing(found, table, here)
    if not table.exact and table.seeds < FEWEST_SEEDS:
        return f"{failing}{_few_seeds(found, table)}"
    if not table.knows_outcomes:
        return "this study does not record which runs failed; run it again in a new folder"
    if not core.settled:
        where = f"near {here}, " if failing else ""
        return f"{failing}{where}runs had not finished learning; train longer, with more --epochs"
    if core.failures is not None and core.failures.bound > TOLERATED:
        return f"{failing}{_failing(found, table, here)}"
    if core.bound is None or core.bound > found.margin:
        loss = "nothing" if core.bound is None else f"a loss of up to {gap(core.bound)}"
        seeds = found.seeds_to_settle
        more = f"about {seeds} seeds" if seeds and seeds > found.seeds else "more seeds"
        more = "more test images" if found.left_to_images else more
        return f"{failing}near {here} {loss} cannot be excluded; {more} would tell"
    return f"far from {OWN} nothing is sure; {allowed(found)}"


def _few_seeds(found: Findings, table: TrialTable) -> str:
    """What so few seeds cannot tell."""
    more = f"add --seeds {ENOUGH_SEEDS}" if table.finished else "finish this study first"
    if not table.seeds:
        start = "" if table.failures.any() else "all runs start well; "
        return f"{start}final accuracy was not measured; {more}"
    few = "one seed" if table.seeds == 1 else "two seeds"
    if found.leading and not found.edges.fails:
        goes = f"accuracy goes with the {found.leading.axis}"
        return f"{goes}, but {few} cannot tell cells apart; {more}"
    return f"{few} cannot tell luck from the normalization; {more}"


def _failing(found: Findings, table: TrialTable, here: str) -> str:
    """What is open about failures near the data's statistics."""
    failures = found.usual.failures
    if failures is not None and failures.fails:
        failed, tried = failures.worst
        runs = f"even near {OWN} {failed} of {tried} runs"
        if table.like_chance is not None:
            images = f"{table.test_images} test images"
            return f"{runs} cannot be told from chance on {images}; use more, or more --epochs"
        return f"{runs} never left chance; train longer, with more --epochs"
    more = f"add --survival {survival_needed(found)}"
    if failures is None or not failures.trainings:
        return f"near {here} any share of runs may fail; {more}"
    met = f"{failures.failures} of {failures.trainings} runs failed, and"
    if not failures.failures:
        met = f"none of {failures.trainings} runs failed, but"
    return f"near {here} {met} up to {percent(failures.bound)} may; {more}"


def survival_needed(found: Findings) -> int:
    """How many short trainings a cell would clear the usual normalizations of failures.

    Args:
        found: What the study proves.

    Returns:
        Seeds for each normalization, if the share of failures stays what it is, at least 5.
    """
    rows = int(found.usual.rows.sum())
    failures = found.usual.failures
    failed = 0 if failures is None else failures.failures
    # Nearly 60 trainings without a failure exclude one in twenty; each failure takes 30 more.
    return max(5, int(np.ceil((60 + 30 * failed) / max(rows, 1))))
