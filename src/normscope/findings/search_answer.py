"""What a search found, in plain sentences: the answer, and at most five lines of why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from normscope.findings.search_verdict import FEWEST_TRIALS, lost_to
from normscope.wording import counted, gap, level, listed, span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from normscope.findings.search_findings import SearchSummary
    from normscope.studies.search_specification import SearchSpec

NAMES = {
    "data": "the data's statistics",
    "half": "0.5/0.5",
    "default": "the default settings",
}

MOST_NAMED = 3
"""More values than this leave an answer no room for anything else."""


def answer(found: SearchSummary) -> str:
    """Was the search worth it, and what is to be done? At most 25 words."""
    name, best, trials = found.decided_by, found.honest_best, counted(found.done, "trial")
    if name is None or best is None:
        return _without_references(found, trials)
    row = found.references[name]
    known = NAMES[name]
    them, give, do = ("it", "gives", "does") if name == "half" else ("them", "give", "do")
    both = (best["accuracy"], row["accuracy"])
    gains, keeps = level(both[0], both[1]), level(both[1], both[0])
    if found.verdict == "no":
        if found.failed == found.done:
            return f"No: none of {trials} learned, but {known} {give} {keeps}; keep {them}."
        well = "better than" if lost_to(row)[1] < 0 else "as well as"
        best_of = f"the best of {trials}"
        return f"No: {known} {do} {well} {best_of} (accuracy {keeps} against {gains}); keep {them}."
    if found.verdict == "yes":
        chosen = _at(best["values"])
        if len(best["values"]) > MOST_NAMED:
            chosen = "the best configuration found"
        return f"Yes: use {chosen}; accuracy {gains}, against {keeps} for {known}."
    if row["difference_interval"] is None:
        told = f"one fresh seed cannot tell the best of {trials} from {known}"
        return f"Not settled: {told}; keep {them}."
    low, high = row["difference_interval"]
    return (
        f"Not settled: against {known} the best of {trials} could gain {gap(high)} or lose "
        f"{gap(-low)}; keep {them} for now."
    )


def _without_references(found: SearchSummary, trials: str) -> str:
    if found.failed == found.done:
        return (
            f"Not settled: none of {trials} learned anything; choose other ranges, more epochs or "
            "a lower learning rate."
        )
    return (
        f"Not settled: without fresh seeds nobody knows how much of the best of {trials} was luck; "
        "repeat it with some."
    )


def reasons(specification: SearchSpec, found: SearchSummary) -> tuple[str, ...]:
    """Why the answer is what it is, in at most five lines."""
    lines = [
        *_honest(found),
        *_luck(found),
        *_where(specification, found),
        *_failures(found),
        *_open(specification, found),
    ]
    return tuple(lines)


def _honest(found: SearchSummary) -> list[str]:
    best = found.honest_best
    if best is None:
        return []
    at = f"At {_at(best['values'])} the accuracy is {level(best['accuracy'])}"
    if found.frozen:
        said = at
    else:
        interval, around = best["interval"], ""
        if interval is not None:
            around = f" (95 % interval {span(interval)}, corrected for having been chosen)"
        said = f"{at} over {counted(best['seeds'], 'fresh seed')}{around}"
    compared = [_compared(name, row) for name, row in found.references.items()]
    corrected = ""
    if found.frozen:
        corrected = (
            f", intervals over the test images and corrected for having picked the best of "
            f"{found.done}"
        )
    return [f"{said}: {listed(compared)}{corrected}."]


def _compared(name: str, row: Mapping[str, Any]) -> str:
    difference, interval = row["difference"], row["difference_interval"]
    if abs(difference) < 0.00005:
        said = f"the same as {NAMES[name]}"
    else:
        more = "more" if difference > 0 else "less"
        said = f"{gap(abs(difference))} {more} than {NAMES[name]}"
    return said if interval is None else f"{said} ({span(interval)})"


def _luck(found: SearchSummary) -> list[str]:
    best, honest = found.best, found.honest_best
    if honest is None or found.frozen:
        return []
    luck, again = honest["optimism"], best["score"] - honest["optimism"]
    scored = f"{level(best['score'], again)} on {found.chosen_on}"
    fresh = f"with fresh seeds the same values score {level(again, best['score'])}"
    if luck > 0:
        return [f"Of the search's best score, {scored}, {gap(luck)} was luck: {fresh}."]
    if luck < -found.margin:
        return [f"The search's own seed was unlucky: its best score is {scored}; {fresh}."]
    return []


def _where(specification: SearchSpec, found: SearchSummary) -> list[str]:
    good, done = found.good, found.done
    if found.all_equal:
        same = level(found.best["score"])
        return [f"All {done} trials score the same, {same}: no value is better than another."] * (
            done > 1
        )
    if done < FEWEST_TRIALS:
        return []
    parts = []
    for range_ in specification.over:
        where = good.parameters[range_.name]
        share = range_.share(where.high) - range_.share(where.low)
        parts.append(
            f"{range_.name} {where.low:.3g} to {where.high:.3g} ({100 * share:.0f} % of the range)"
        )
    return [f"The best {good.trials} of {counted(done, 'trial')} lie in {listed(parts)}."]


def _failures(found: SearchSummary) -> list[str]:
    parts = []
    if 0 < found.failed < found.done:
        parts.append(f"{found.failed} of {counted(found.done, 'trial')} learned nothing")
    if found.stopped_early:
        parts.append(f"{found.stopped_early} were stopped early for being poor")
    failing = [row for row in found.repeated if row["failed"]]
    named = [name for name, row in found.references.items() if row["failed"]]
    for name in named:
        row = found.references[name]
        parts.append(f"{NAMES[name]} failed with {row['failed']} of {row['seeds']} fresh seeds")
    if failing:
        parts.append(
            f"{len(failing)} of the {len(found.repeated)} best failed with some fresh seed, "
            "so that their intervals say little"
        )
    if not parts:
        return []
    said = listed(parts)
    return [f"{said[0].upper()}{said[1:]}."]


def _open(specification: SearchSpec, found: SearchSummary) -> list[str]:
    settle, done = found.settle, found.done
    if done < found.wanted:
        wanted = counted(found.wanted, "trial")
        return [f"Only {done} of {wanted} have finished: the same command goes on."]
    if found.verdict != "unsettled":
        return []
    why = _why_open(found)
    if found.frozen:
        return [f"{why} More test images would tell, more trials would not."] if why else []
    if settle is None:
        return [f"{why} More than 1,000 fresh seeds would be needed to tell."]
    more = settle["replicates"] - specification.replicates
    asked = f"--replicates {settle['replicates']}"
    if settle["trials"] > specification.trials:
        asked = f"--trials {settle['trials']} {asked}"
    elif more <= 0:
        return [f"{why} The same command runs the fresh seeds that are missing."]
    configurations = len(found.repeated) + len(found.references)
    costs = f" (about {counted(more * configurations, 'more training')})" if configurations else ""
    return [f"{why} To settle it, repeat the command with {asked}{costs}."]


def _why_open(found: SearchSummary) -> str:
    rows, margin = found.references, found.margin
    best = found.honest_best
    if best is None:
        return "Each trial has one seed, and the best of many such scores is partly luck."
    if not rows or (best["interval"] is None and not found.frozen):
        return "One fresh seed has no spread, so that no interval can be given."
    open_ = [n for n, row in rows.items() if (ends := lost_to(row))[0] <= 0 and ends[1] >= margin]
    if not open_:
        return ""
    what = listed([NAMES[name] for name in open_])
    their = "its interval reaches" if len(open_) == 1 else "their intervals reach"
    return (
        f"The best cannot be told from {what}: {their} from 0 or below to above {gap(margin)}, the "
        "largest difference that does not matter."
    )


def _at(values: Mapping[str, float]) -> str:
    return listed([f"{name} {value:.3g}" for name, value in values.items()])
