"""Why: at most five lines below the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from normscope.findings.answer import reference_name, survival_needed
from normscope.findings.comparison import FEWEST_SEEDS
from normscope.findings.failures import TOLERATED
from normscope.margin import MARGIN
from normscope.normalization import NONE
from normscope.wording import counted, gap, level, percent, span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from normscope.findings.by_axis import Leading
    from normscope.findings.cell_findings import CellFinding
    from normscope.findings.scan_findings import Findings
    from normscope.findings.speed import Speed
    from normscope.findings.trial_table import TrialTable
    from normscope.findings.variance_shares import Share
    from normscope.normalization import Normalization

FAILURES = "Failures (stuck at chance, or diverged)"

TRAINED_WITH = "normscope detect tells what a network with BatchNorm was trained with."

MOST_CHANNELS = 4
"""Of more, a sentence does not list the constants of all."""

SHARES = {
    "std": "std",
    "mean": "mean",
    "both": "their combination",
    "seed": "the seed",
    "test_images": "the draw of the test images",
}


def reasons(
    found: Findings, table: TrialTable, speeds: Mapping[Normalization, Speed], reached: float | None
) -> list[str]:
    """Say why: failures, final accuracy, speed, one's own statistics, and what would settle more.

    Args:
        found: What the study proves.
        table: Its trainings.
        speeds: The steps that each normalization took to reach an accuracy.
        reached: That accuracy; None where it is not known.

    Returns:
        At most five sentences, those that have something to say.
    """
    lines = [
        _failures(found, table),
        _accuracy(found, table),
        _speed(found, speeds, reached),
        _own(found),
        _next(found, table),
    ]
    return [line for line in lines if line]


def _failures(found: Findings, table: TrialTable) -> str:
    if found.exact:
        return ""
    if not table.knows_outcomes:
        return "Failures: not recorded; this study is older than that."
    total, failed = int(table.trainings.sum()), int(table.failures.sum())
    if not failed:
        return f"{FAILURES}: none of {total:,} runs{_at_most(total, table)}."
    rows = np.array([cell.failures > 0 for cell in found.cells])
    distance = np.abs([cell.units.distance for cell in found.cells])
    nearest = float(distance[rows].min())
    safe = distance < nearest
    kept = int(table.trainings[safe].sum())
    luck = ""
    if table.like_chance is not None:
        best = level(table.like_chance)
        luck = f" On {table.test_images} test images even {best} cannot be told from chance."
    if not kept:
        return f"{FAILURES}: {failed:,} of {total:,} runs, wherever the mean lies.{luck}"
    return (
        f"{FAILURES}: {failed:,} of {total:,} runs, all with a mean {nearest:.2g} or more stds "
        f"from the data's{_only_stds(found, rows, ~safe)}; "
        f"none of {kept:,} nearer{_at_most(kept, table)}.{luck}"
    )


def _only_stds(found: Findings, failing: np.ndarray, far: np.ndarray) -> str:
    """To which stds failures are confined, of those that were tried as far off."""
    stds = np.array([np.mean(cell.normalization.std) for cell in found.cells])
    low, high = stds[failing].min(), stds[failing].max()
    if high < stds[far].max():
        return f" and std {high:.3g} or less"
    return f" and std {low:.3g} or more" if low > stds[far].min() else ""


def _at_most(trainings: int, table: TrialTable) -> str:
    """What share of failures none among some trainings leaves possible."""
    bound = 1 - 0.05 ** (1 / trainings)
    supposed = ""
    if table.trainings.max() < FEWEST_SEEDS:
        supposed = " if runs that share a seed are independent"
    return f" (at most {percent(bound)}, with 95 % confidence{supposed})"


def _accuracy(found: Findings, table: TrialTable) -> str:
    alive = [c for c in found.cells[: found.grid_cells] if c.accuracy is not None]
    if not alive:
        return ""
    worst, best = (f(alive, key=lambda c: c.accuracy or 0.0) for f in (min, max))
    whose = " of those that learned" if table.knows_outcomes and not found.exact else ""
    ends = _ends(
        worst.accuracy or 0.0,
        f"mean/std {worst.normalization:.3g}",
        best.accuracy or 0.0,
        f"{best.normalization:.3g}",
    )
    if worst.accuracy == best.accuracy and len(alive) > 1:
        ends = f"{level(best.accuracy or 0.0)} in every cell"
    what = "Accuracy" if found.exact else "Final accuracy"
    return f"{what}{whose}: {ends}{_shares(found.shares)}{_leading(found.leading)}."


def _ends(low: float, at_low: str, high: float, at_high: str) -> str:
    return f"{level(low, high)} ({at_low}) to {level(high, low)} ({at_high})"


def _leading(found: Leading | None) -> str:
    if found is None:
        return ""
    low, high = found.worst_accuracy, found.best_accuracy
    return f"; averaged over {'means' if found.axis == 'std' else 'stds'}, " + _ends(
        low, f"{found.axis} {found.worst:.3g}", high, f"{found.axis} {found.best:.3g}"
    )


def _shares(shares: dict[str, Share] | None) -> str:
    if shares is None:
        return ""
    words = dict(SHARES)
    if "seed" not in shares:
        words["both"] = "the rest, luck included"
    parts = [
        f"{_percent(shares[name])} with {text}"
        for name, text in words.items()
        if name in shares and shares[name].high >= 0.02
    ]
    if not parts:
        return ""
    return f"; of its variation, {', '.join(parts).replace('with', 'goes with', 1)}"


def _percent(share: Share) -> str:
    return f"{100 * share.share:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f})"


def _speed(found: Findings, speeds: Mapping[Normalization, Speed], reached: float | None) -> str:
    own = speeds.get(found.reference)
    if reached is None or own is None or own.steps is None:
        return ""
    others = {n: s for n, s in speeds.items() if s.steps is not None and n != found.reference}
    text = f"Speed: with {reference_name(found)} a run reaches {level(reached)} in {_steps(own)}"
    if not others:
        return f"{text}."
    slowest = max(others, key=lambda n: others[n].steps or 0.0)
    fastest = min(others, key=lambda n: others[n].steps or 0.0)
    if _steps(others[slowest]) == _steps(others[fastest]) == _steps(own):
        text += ", as with any other"
    else:
        first = "next fastest" if own.steps <= (others[fastest].steps or 0.0) else "fastest"
        last = "next slowest" if own.steps >= (others[slowest].steps or 0.0) else "slowest"
        text += (
            f"; {first} {fastest:.3g} ({_steps(others[fastest])}), "
            f"{last} {slowest:.3g} ({_steps(others[slowest])})"
        )
    late = [n for n, s in speeds.items() if s.steps is None]
    if late:
        text += f"; {late[0]:.3g}" if len(late) == 1 else f"; {len(late)} of {len(speeds)}"
        text += " did not get there"
    return f"{text}."


def _steps(speed: Speed) -> str:
    return f"{float(f'{speed.steps or 0:.2g}'):,.0f} steps"


def _own(found: Findings) -> str:
    own, none = (_find(found, n) for n in (found.data, NONE))
    parts = []
    if own is not None and own.accuracy is not None:
        whose = "test images' own" if found.exact else "data's"
        # The table beside it has all of them; more would bury what they give.
        few = len(found.data.mean) <= MOST_CHANNELS
        values = f"{found.data:.3g}" if few else counted(len(found.data.mean), "channel")
        parts.append(f"the {whose} statistics ({values}) give {level(own.accuracy)}")
    if none is not None and none.accuracy is not None:
        text = f"no normalization (0/1) {'' if parts else 'gives '}{level(none.accuracy)}"
        if none.low is not None and none.high is not None and none.normalization != found.reference:
            text += f", {_difference(none.low, none.high)}"
        parts.append(text)
    if not parts:
        return ""
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _difference(low: float, high: float) -> str:
    """An interval of a difference from the reference, in words."""
    if low > 0:
        return f"{span((low, high))} more"
    if high < 0:
        return f"{span((-high, -low))} less"
    return f"between {gap(-low)} less and {gap(high)} more"


def _find(found: Findings, normalization: Normalization) -> CellFinding | None:
    return next((c for c in found.cells if c.normalization == normalization), None)


def _next(found: Findings, table: TrialTable) -> str:
    if found.resolution is None:
        return ""
    if found.resolution < found.margin:
        return (
            f"This study can exclude losses above {gap(found.resolution)}; "
            f"{found.margin:.2g} is taken not to matter."
        )
    text = f"A loss below {gap(found.resolution)} may go unnoticed here"
    if found.margin == found.resolution:
        text += ", so only larger ones count"
    # Runs that have not settled need epochs first, as the answer says.
    if not found.usual.settled:
        return f"{text}."
    options = []
    seeds = found.seeds_to_settle
    if seeds and seeds > found.seeds:
        options.append(f"--seeds {seeds}")
    failures = found.usual.failures
    if failures is not None and not failures.fails and failures.bound > TOLERATED:
        options.append(f"--survival {survival_needed(found)}")
    if seeds is None:
        text += f"; to find {MARGIN:g} takes more test images than these {table.test_images:,}"
    if options:
        text += f"; to settle more, run the same command with {' '.join(options)}"
    trained = f" {TRAINED_WITH}" if found.exact and found.verdict == "yes" else ""
    return f"{text}.{trained}"
