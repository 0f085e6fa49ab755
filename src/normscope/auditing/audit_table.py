"""What each mistake costs as rows of text, for terminals and notebooks alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normscope.wording import share

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
    accuracy = [] if reference.accuracy is None else [share(reference.accuracy, found.images)]
    drift = [_drift(reference.mean_drift)] * bool(reference.drift)
    rows = [["reference", found.preparation, *accuracy, "", "", *drift]]
    if found.tested is not None:
        rows.append(["pipeline", found.tested.name, *_numbers(found.tested.cost, found.images)])
    rows += [
        [mistake.name, mistake.description, *_numbers(mistake.cost, found.images)]
        for mistake in found.mistakes
        if mistake.cost is not None
    ]
    return ["", "", *heads], rows


def _numbers(cost: Cost, images: int) -> list[str]:
    drift = [_drift(cost.mean_drift)] * bool(cost.drift)
    numbers = [cost.disagreement]
    interval = cost.disagreement_interval
    if cost.accuracy is not None and cost.lost is not None and cost.interval is not None:
        numbers, interval = [cost.accuracy, cost.lost], cost.interval
    low, high = (share(end, images) for end in interval)
    return [*(share(number, images) for number in numbers), f"{low} to {high}", *drift]


def _drift(drift: float | None) -> str:
    return "" if drift is None else f"{drift:.3g}"
