"""What a search found, in plain sentences: the answer, and at most five lines of why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from normscope.findings.search_verdict import FEWEST_TRIALS, as_good, beaten
from normscope.wording import counted, gap, level, listed, span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from normscope.studies.search_specification import SearchSpec

NAMES = {
    "data": "the data's statistics",
    "half": "0.5/0.5",
    "default": "the default settings",
}

MOST_NAMED = 3
"""More values than this leave an answer no room for anything else."""


def answer(numbers: Mapping[str, Any]) -> str:
    """Was the search worth it, and what is to be done?

    Args:
        numbers: The fields of a summary.

    Returns:
        A sentence of at most 25 words.
    """
    name, trials = numbers["decided_by"], counted(_done(numbers), "trial")
    if name is None:
        return _without_references(numbers, trials)
    row, best = numbers["references"][name], numbers["honest_best"]
    known = NAMES[name]
    them = "it" if name == "half" else "them"
    both = (best["accuracy"], row["accuracy"])
    gains, keeps = level(both[0], both[1]), level(both[1], both[0])
    if numbers["verdict"] == "no":
        if numbers["failed"] == _done(numbers):
            return f"No: none of {trials} learned, but {known} {_give(name)} {keeps}; keep {them}."
        does = "does" if name == "half" else "do"
        well = "better than" if beaten_by(row) else "as well as"
        best_of = f"the best of {trials}"
        return (
            f"No: {known} {does} {well} {best_of} (accuracy {keeps} against {gains}); keep {them}."
        )
    if numbers["verdict"] == "yes":
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


def _without_references(numbers: Mapping[str, Any], trials: str) -> str:
    if numbers["failed"] == _done(numbers):
        return (
            f"Not settled: none of {trials} learned anything; choose other ranges, more epochs or "
            "a lower learning rate."
        )
    return (
        f"Not settled: without fresh seeds nobody knows how much of the best of {trials} was luck; "
        "repeat it with some."
    )


def reasons(specification: SearchSpec, numbers: Mapping[str, Any]) -> tuple[str, ...]:
    """Why the answer is what it is.

    Args:
        specification: The search.
        numbers: The fields of its summary.

    Returns:
        At most five lines.
    """
    lines = [
        *_honest(numbers),
        *_luck(numbers),
        *_where(specification, numbers),
        *_failures(numbers),
        *_open(specification, numbers),
    ]
    return tuple(lines)


def _honest(numbers: Mapping[str, Any]) -> list[str]:
    best = numbers["honest_best"]
    if best is None:
        return []
    at = f"At {_at(best['values'])} the accuracy is {level(best['accuracy'])}"
    if numbers["frozen"]:
        said = at
    else:
        interval, around = best["interval"], ""
        if interval is not None:
            around = f" (95 % interval {span(interval)}, corrected for having been chosen)"
        said = f"{at} over {counted(best['seeds'], 'fresh seed')}{around}"
    compared = [_compared(name, row) for name, row in numbers["references"].items()]
    corrected = ""
    if numbers["frozen"]:
        corrected = (
            f", intervals over the test images and corrected for having picked the best of "
            f"{_done(numbers)}"
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


def _luck(numbers: Mapping[str, Any]) -> list[str]:
    best, honest = numbers["best"], numbers["honest_best"]
    if honest is None or numbers["frozen"]:
        return []
    if honest["optimism"] <= 0:
        return []
    again = best["score"] - honest["optimism"]
    scored = f"{level(best['score'], again)} on {numbers['chosen_on']}"
    fresh = f"with fresh seeds the same values give there {level(again, best['score'])}"
    return [f"The search's best score, {scored}, was luck by {gap(honest['optimism'])}: {fresh}."]


def _where(specification: SearchSpec, numbers: Mapping[str, Any]) -> list[str]:
    good, done = numbers["good"], _done(numbers)
    if numbers["all_equal"]:
        same = level(numbers["best"]["score"])
        return [f"All {done} trials score the same, {same}: no value is better than another."] * (
            done > 1
        )
    if done < FEWEST_TRIALS:
        return []
    parts = []
    for range_ in specification.over:
        found = good.parameters[range_.name]
        share = range_.share(found.high) - range_.share(found.low)
        parts.append(
            f"{range_.name} {found.low:.3g} to {found.high:.3g} ({100 * share:.0f} % of the range)"
        )
    return [f"The best {good.trials} of {done} trials lie in {listed(parts)}."]


def _failures(numbers: Mapping[str, Any]) -> list[str]:
    parts = []
    if 0 < numbers["failed"] < _done(numbers):
        parts.append(f"{numbers['failed']} of {counted(_done(numbers), 'trial')} learned nothing")
    if numbers["stopped_early"]:
        parts.append(f"{numbers['stopped_early']} were stopped early for being poor")
    failing = [row for row in numbers["repeated"] if row["failed"]]
    named = [name for name, row in numbers["references"].items() if row["failed"]]
    for name in named:
        row = numbers["references"][name]
        parts.append(f"{NAMES[name]} failed with {row['failed']} of {row['seeds']} fresh seeds")
    if failing:
        parts.append(
            f"{len(failing)} of the {len(numbers['repeated'])} best failed with some fresh seed, "
            "so that their intervals say little"
        )
    if not parts:
        return []
    said = listed(parts)
    return [f"{said[0].upper()}{said[1:]}."]


def _open(specification: SearchSpec, numbers: Mapping[str, Any]) -> list[str]:
    settle, done = numbers["settle"], _done(numbers)
    if done < numbers["wanted"]:
        return [
            f"Only {done} of {numbers['wanted']} trials have finished: the same command goes on."
        ]
    if numbers["verdict"] != "unsettled":
        return []
    why = _why_open(numbers)
    if numbers["frozen"]:
        return [f"{why} More test images would tell, more trials would not."] if why else []
    if settle is None:
        return [f"{why} More than 1,000 fresh seeds would be needed to tell."]
    more = settle["replicates"] - specification.replicates
    asked = f"--replicates {settle['replicates']}"
    if settle["trials"] > specification.trials:
        asked = f"--trials {settle['trials']} {asked}"
    elif more <= 0:
        return [f"{why} The same command goes on with the fresh seeds that are missing."]
    configurations = len(numbers["repeated"]) + len(numbers["references"])
    costs = f" (some {counted(more * configurations, 'more training')})" if configurations else ""
    return [f"{why} To settle it, repeat the command with {asked}{costs}."]


def _why_open(numbers: Mapping[str, Any]) -> str:
    rows, margin = numbers["references"], numbers["margin"]
    best = numbers["honest_best"]
    if best is None:
        return "Each trial has one seed, and the best of many such scores is partly luck."
    if not rows or (best["interval"] is None and not numbers["frozen"]):
        return "One fresh seed has no spread, so that no interval can be given."
    open_ = [n for n, row in rows.items() if not beaten(row) and not as_good(row, margin)]
    if not open_:
        return ""
    what = listed([NAMES[name] for name in open_])
    their = "its interval reaches" if len(open_) == 1 else "their intervals reach"
    return (
        f"Not told from {what}: {their} from 0 or below to above {gap(margin)}, the largest "
        "difference that does not matter."
    )


def _give(name: str) -> str:
    return "gives" if name == "half" else "give"


def _done(numbers: Mapping[str, Any]) -> int:
    return numbers["trials"] + numbers["stopped_early"]


def beaten_by(row: Mapping[str, Any]) -> bool:
    """Whether a reference is better than the choice.

    Args:
        row: With its ``difference_interval``.

    Returns:
        Whether that is proved.
    """
    interval = row["difference_interval"]
    return interval is not None and interval[1] < 0


def _at(values: Mapping[str, float]) -> str:
    return listed([f"{name} {value:.3g}" for name, value in values.items()])
