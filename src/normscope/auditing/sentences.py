"""What an audit found, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from normscope.auditing.result import Audit, PipelineUnderTest


def sentences(audit: Audit) -> list[str]:
    """The answer, how it was measured, and what the pipeline under test does.

    Args:
        audit: What was found.

    Returns:
        A few sentences.
    """
    found = [_worst(audit), *_notes(audit)]
    if audit.tested is not None:
        found.insert(0, _tested(audit.tested, audit.labelled))
    return found


def _worst(audit: Audit) -> str:
    on = f"{audit.model} on {audit.images} images of {audit.source}"
    worst = audit.priced[0] if audit.priced else None
    if worst is None or worst.cost is None:
        return f"No usual mistake can be made with {on}."
    if worst.cost.lost is None:
        return (
            f"The worst mistake for {on} is {worst.name} ({worst.description}): it changes the "
            f"answer to {_percent(worst.cost.disagreement)} of them."
        )
    return (
        f"Prepared correctly, {on} has an accuracy of {audit.reference.accuracy:.4f}; the worst "
        f"mistake is {worst.name} ({worst.description}), which costs {worst.cost.lost:.4f}."
    )


def _notes(audit: Audit) -> list[str]:
    notes = []
    if not audit.labelled:
        notes.append(
            "The images have no labels (no val/ or test/ with one folder per class), so that "
            "accuracies are unknown: disagreement is the share of images whose answer changes, "
            "and no more accuracy than that can be lost."
        )
        if not audit.reference.drift:
            notes.append(
                f"The drift of BatchNorm statistics is unavailable: {audit.model} has no BatchNorm."
            )
    if audit.reference.drift:
        layers = len(audit.reference.drift)
        place = "the BatchNorm" if layers == 1 else f"{layers} BatchNorms"
        notes.append(
            f"Drift is how far the statistics at {place} lie from the running ones, in units of "
            "the running std, on average."
        )
    return notes


def _tested(tested: PipelineUnderTest, labelled: bool) -> str:
    cost = tested.cost
    if labelled and cost.lost is not None and cost.interval is not None:
        low, high = cost.interval
        said = f"loses {cost.lost:.4f} against the reference ({low:.4f} to {high:.4f})"
    else:
        said = f"changes the answer to {_percent(cost.disagreement)} of the images"
    if tested.like is not None and tested.agreement is not None:
        agreement = _percent(tested.agreement)
        said += f"; it answers most like {tested.like}, the same on {agreement} of the images"
    return f"The pipeline {tested.name} {said}."


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
