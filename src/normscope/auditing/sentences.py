"""What an audit found, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from normscope.auditing.applied import SQUASHED, AppliedNormalization
from normscope.auditing.handed_bytes import answer_of_bytes, if_nothing_normalizes
from normscope.auditing.pairing import for_the_greatest, for_the_worst
from normscope.margin import MARGIN
from normscope.rounding import fixed
from normscope.wording import counted, gap, level, span

if TYPE_CHECKING:
    from normscope.auditing.audit_numbers import AuditNumbers, PipelineUnderTest, Priced
    from normscope.auditing.pairing import Interval

Verdict = Literal["yes", "no", "unsettled"]

EASY_TO_MISS = 0.5
"""A mistake that costs a larger share of the accuracy is noticed at once."""


def verdict(audit: AuditNumbers) -> Verdict:
    """Does the pipeline under test cost anything, or without one, would a usual mistake?

    Returns:
        ``yes`` or ``no`` where an interval proves it, else ``unsettled``.
    """
    found = _asked(audit)
    if _at_chance(audit):
        return "unsettled"
    if audit.tested is not None and audit.tested.differs:
        return "unsettled" if audit.tested.bytes_taken is False else "yes"
    if found is None or (audit.tested is not None and audit.tested.cost.changed == 0):
        return "no"
    low, high = found[2]
    if high < _margin(audit):
        return "no"
    return "yes" if low > (0 if audit.labelled else _margin(audit)) else "unsettled"


def sentences(audit: AuditNumbers) -> list[str]:
    """The answer, how it was measured, and what the pipeline under test does."""
    found = [answer(audit), *_price(audit), _measured(audit)]
    if audit.tested is not None and audit.tested.like is not None:
        agreement = _percent(audit.tested.agreement or 0.0)
        found.append(
            f"{audit.tested.name} answers most like {audit.tested.like}, the same on {agreement} "
            "of the images."
        )
    of_bytes = audit.tested is not None and audit.tested.bytes_taken is not None
    if of_bytes:
        found.append(if_nothing_normalizes(audit.reference.normalization))
    found += _shown(audit)
    if verdict(audit) == "unsettled" and not of_bytes and not _at_chance(audit):
        margin = _margin(audit)
        most = gap(margin) if audit.labelled else _percent(margin)
        which = "the most that does not matter" if margin == MARGIN else "one image of these"
        found.append(
            f"The interval leaves open whether it is more than {most}, {which}: more images would "
            "tell."
        )
    return [*found, *_better(audit), *_notes(audit)]


def answer(audit: AuditNumbers) -> str:
    """The verdict, and what to do, in a sentence of at most 25 words."""
    found = _asked(audit)
    if _at_chance(audit):
        return (
            "Not settled: prepared as you say, the network does not beat always naming the most "
            "frequent class; check --norm, --weights and the order of the classes."
        )
    if found is None:
        return "No: no usual mistake can be made here; nothing to do."
    name, value, interval = found
    said = verdict(audit)
    costs, verb = _amount(audit, abs(value)), _verb(audit)
    within = f"(95 % interval {_within(audit, interval)})"
    if value < 0:
        verb, within = "gains", f"(95 % interval of the loss {_within(audit, interval)})"
    if audit.tested is not None:
        return _of_pipeline(audit, audit.tested, interval, (f"{verb} {costs}", within))
    if said == "yes":
        then = (
            "look for it in your pipeline" if audit.reference.white else "test your own --pipeline"
        )
        return f"Yes: {_to_watch(audit)}; {then}."
    if said == "no":
        return f"No: even the worst mistake, {name}, {verb} nothing that matters {within}."
    return f"Not settled: the worst mistake, {name}, {verb} {costs} {within}; test more images."


def failure(audit: AuditNumbers) -> str | None:
    """Why the pipeline under test fails, if it does, as what its name would go on with."""
    tested = audit.tested
    if tested is None or not tested.fails:
        return None
    if tested.bytes_taken is not None:
        return "hands over bytes, and nothing under test normalizes them"
    if tested.differs:
        return f"does not normalize with {audit.reference.normalization:.3g}"
    return f"loses more than --fail-over {tested.fail_over:g}"


def _of_pipeline(
    audit: AuditNumbers, tested: PipelineUnderTest, interval: Interval, price: tuple[str, str]
) -> str:
    """The verdict on the pipeline under test, whose price and its bounds are given in words."""
    said, name, (costs, within) = verdict(audit), tested.name, price
    if tested.bytes_taken is not None:
        return answer_of_bytes(name, audit.model, taken=tested.bytes_taken)
    if tested.differs:
        reference = audit.reference
        right = AppliedNormalization.of(reference.normalization, blue_first=reference.blue_first)
        other = f"the pipeline {name} normalizes with {tested.applied}, not {right}"
        return f"Yes: {other}; {_to_fix(audit)}."
    if said == "yes":
        return f"Yes: the pipeline {name} {costs} {within}; {_to_fix(audit)}."
    if tested.cost.changed == 0:
        images = counted(audit.images, "image")
        return f"No: the pipeline {name} prepares all {images} as the reference does; keep it."
    if interval[1] < 0:
        gained = gap(-(tested.cost.lost or 0.0))
        return f"No: the pipeline {name} is better by {gained} {within}; check --norm."
    if said == "no":
        return f"No: the pipeline {name} {_verb(audit)} nothing that matters {within}; keep it."
    return f"Not settled: the pipeline {name} {costs} {within}; test more images."


def _shown(audit: AuditNumbers) -> list[str]:
    """Which part of the images the pipeline shows, where it is another than the reference's."""
    tested = audit.tested
    if tested is None or tested.applied is None or tested.applied.shows is None:
        return []
    if tested.applied.shows == SQUASHED:
        said = (
            f"{tested.name} squashes the images: it resizes both sides to fixed lengths, so that "
            "their ratio is lost. Give the resize one number, the shorter side, and crop."
        )
        return [said]
    shown = f"{tested.name} shows the {tested.applied.shows} of each image"
    return [f"{shown}; the reference: {audit.preparation}."]


def _price(audit: AuditNumbers) -> list[str]:
    """What another normalization costs, where the answer is that it is another."""
    asked = _asked(audit)
    if asked is None or audit.tested is None or not audit.tested.differs:
        return []
    costs, within = _amount(audit, asked[1]), _within(audit, asked[2])
    return [f"On these images it costs {costs} (95 % interval {within})."]


def _to_watch(audit: AuditNumbers) -> str:
    """The costliest mistake that is easy to miss, or where none is, the costliest."""
    looks = len(audit.priced)
    for priced in audit.priced:
        cost = priced.cost
        if cost is None or cost.lost is None or cost.interval is None:
            continue
        low, high = for_the_worst(cost.lost, cost.interval, audit.images, looks)
        if cost.lost <= EASY_TO_MISS * (audit.reference.accuracy or 0.0) and low > 0:
            within = f"(95 % interval {span((low, high))})"
            return (
                f"the worst mistake that is easy to miss, {_called(priced)}, costs "
                f"{gap(cost.lost)} of accuracy {within}"
            )
    name, value, interval = _asked(audit) or ("", 0.0, (0.0, 0.0))
    costs = f"{_verb(audit)} {_amount(audit, value)}"
    return f"the worst mistake, {name}, {costs} (95 % interval {_within(audit, interval)})"


def _to_fix(audit: AuditNumbers) -> str:
    """What is wrong with the pipeline, where it answers as one of the mistakes does."""
    tested = audit.tested
    if tested is not None and tested.mistake is not None:
        return f"fix it: {tested.mistake.description}"
    if tested is None or tested.agreement != 1:
        return "fix it before use"
    return next(
        (f"fix it: {m.description}" for m in audit.mistakes if m.name == tested.like),
        "fix it before use",
    )


def _asked(audit: AuditNumbers) -> tuple[str, float, Interval] | None:
    """What the answer is about: its name, its price, and the price's interval."""
    if audit.tested is not None:
        name, cost, looks = audit.tested.name, audit.tested.cost, 1
    elif audit.priced:
        worst = audit.priced[0]
        name, cost, looks = _called(worst), worst.cost, len(audit.priced)
    else:
        return None
    assert cost is not None
    if cost.lost is None or cost.interval is None:
        return name, cost.disagreement, for_the_greatest(cost.disagreement, audit.images, looks)
    return name, cost.lost, for_the_worst(cost.lost, cost.interval, audit.images, looks)


def _called(mistake: Priced) -> str:
    """Its name, but where a sentence would take that for no mistake at all."""
    return mistake.description if mistake.name == "none" else mistake.name


def _at_chance(audit: AuditNumbers) -> bool:
    interval, guessing = audit.reference.interval, audit.most_frequent
    return interval is not None and guessing is not None and interval[0] <= guessing


def _margin(audit: AuditNumbers) -> float:
    """Less does not matter, nor can less than one image be told."""
    return max(MARGIN, 1 / audit.images)


def _within(audit: AuditNumbers, interval: Interval) -> str:
    if audit.labelled:
        return span(interval)
    return f"{fixed(interval[0], 1, 100)} to {_percent(interval[1])}"


def _measured(audit: AuditNumbers) -> str:
    on = f"{audit.model} on {counted(audit.images, 'image')} of {audit.source}"
    found = audit.reference
    if found.accuracy is None or found.interval is None:
        said = f"This is {on}."
    else:
        said = (
            f"Prepared correctly, {on} has an accuracy of {level(found.accuracy)} "
            f"({span(found.interval)}) among the outputs for their {audit.classes} classes."
        )
    if audit.tested is None and audit.priced:
        worst = audit.priced[0]
        said += f" The worst mistake is {worst.name} ({worst.description})"
        corrected = f"; the interval above is corrected for being picked from {len(audit.priced)}"
        said += f"{corrected * (len(audit.priced) > 1)}."
    return said


def _better(audit: AuditNumbers) -> list[str]:
    """The way that is proved to beat the reference: perhaps the network was trained so."""
    cost = audit.priced[-1].cost if audit.priced else None
    if cost is None or cost.lost is None or cost.interval is None:
        return []
    low, high = cost.interval
    interval = for_the_worst(-cost.lost, (-high, -low), audit.images, len(audit.priced))
    if interval[0] <= 0:
        return []
    name = audit.priced[-1].name
    gain = f"{name} scores {gap(-cost.lost)} higher ({span(interval)}, corrected for being the best"
    return [f"{gain} of {len(audit.priced)}): check how the images were prepared in training."]


def _notes(audit: AuditNumbers) -> list[str]:
    notes = []
    if audit.reference.white is not None:
        notes.append(
            f"The images have more than 8 bits. Prepared correctly means: {audit.preparation}; "
            "--scale says what to divide by."
        )
    if audit.reference.unused:
        notes.append(audit.reference.unused)
    if audit.reference.blue_first:
        notes.append(
            f"{audit.model} takes blue, green, red, as its own configuration says, and is given "
            "them so; constants are written red first."
        )
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


def _amount(audit: AuditNumbers, value: float) -> str:
    return f"{gap(value)} of accuracy" if audit.labelled else f"{_percent(value)} of the answers"


def _verb(audit: AuditNumbers) -> str:
    return "costs" if audit.labelled else "changes"


def _percent(share: float) -> str:
    return f"{fixed(share, 1, 100)} %"
