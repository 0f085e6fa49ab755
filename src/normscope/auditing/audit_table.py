"""What each mistake costs as rows of text, for terminals and notebooks alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from normscope.auditing.audit_numbers import AuditNumbers, Cost


def audit_table(found: AuditNumbers) -> tuple[list[str], list[list[str]]]:
    """The reference, the pipeline under test and every mistake that was priced.

    Args:
        found: An audit.

    Returns:
        Headings and rows: a name, what it is, and its numbers.
    """
    heads = ["accuracy", "lost"] if found.labelled else ["disagreement"]
    heads += ["95 % interval", *["drift"] * bool(found.reference.drift)]
    reference = found.reference
    accuracy = [] if reference.accuracy is None else [f"{reference.accuracy:.4f}"]
    drift = [_drift(reference.mean_drift)] * bool(reference.drift)
    rows = [["reference", found.preparation, *accuracy, "", "", *drift]]
    if found.tested is not None:
        rows.append(["pipeline", found.tested.name, *_numbers(found.tested.cost)])
    rows += [
        [mistake.name, mistake.description, *_numbers(mistake.cost)]
        for mistake in found.mistakes
        if mistake.cost is not None
    ]
    return ["", "", *heads], rows


def _numbers(cost: Cost) -> list[str]:
    drift = [_drift(cost.mean_drift)] * bool(cost.drift)
    if cost.accuracy is None or cost.lost is None or cost.interval is None:
        return [f"{cost.disagreement:.4f}", _interval(cost.disagreement_interval), *drift]
    return [f"{cost.accuracy:.4f}", f"{cost.lost:.4f}", _interval(cost.interval), *drift]


def _interval(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.4f} to {interval[1]:.4f}"


def _drift(drift: float | None) -> str:
    return "" if drift is None else f"{drift:.3g}"
