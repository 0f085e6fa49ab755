"""What is proved, and what is not, in plain sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normscope.findings.comparison import FEWEST_SEEDS

if TYPE_CHECKING:
    from normscope.findings.findings import Findings
    from normscope.findings.shares import Share
    from normscope.findings.tolerance import Range, Tolerance

DIGITS = {0: "no digit is needed", 1: "one digit is enough"}


def claims(found: Findings) -> list[str]:
    """Say what a study proves.

    Args:
        found: The study's findings.

    Returns:
        Sentences: the variance, the plateau, the tolerance.
    """
    shares = [] if found.shares is None else [_shares(found.shares)]
    moved = [] if found.tolerance is None else [_tolerance(found, found.tolerance)]
    return [*shares, _plateau(found), *moved]


def _shares(shares: dict[str, Share]) -> str:
    def percent(name: str) -> str:
        s = shares[name]
        return f"{100 * s.share:.0f} % ({100 * s.low:.0f} to {100 * s.high:.0f})"

    return (
        f"Of the variance of a trial's accuracy {percent('normalization')} is the normalization's, "
        f"{percent('seed')} the seed's, {percent('interaction')} their interaction's and "
        f"{percent('test_images')} the draw of the test images."
    )


def _plateau(found: Findings) -> str:
    cells = found.grid_cells
    proved = (
        f"{found.plateau} of {cells} cells are proved to be within {found.margin:g} of the best"
    )
    if found.plateau == cells:
        return f"All {proved.partition(' of ')[2]}."
    if found.seeds_for_plateau is not None:
        return (
            f"{proved}; the others are worse or open, and about {found.seeds_for_plateau} seeds "
            "would settle nine tenths of the open ones."
        )
    return f"{proved}; the others are worse, or so near the margin that seeds alone cannot tell."


def _tolerance(found: Findings, t: Tolerance) -> str:
    start = f"From {found.reference:.4g}, with a loss of at most {found.margin:g}"
    if found.seeds < FEWEST_SEEDS and not found.exact:
        return (
            f"{start}: not enough seeds to tell how far mean and std may move; "
            f"it takes at least {FEWEST_SEEDS}, got {found.seeds}."
        )
    parts = [
        _moved("mean", t.mean, t.mean_digits, f"at std {t.at[1]:.4g}"),
        _moved("std", t.std, t.std_digits, f"at mean {t.at[0]:.4g}"),
    ]
    return f"{start}: {'; '.join(parts)}; {_together(t)}."


def _moved(name: str, proved: Range, digits: int | None, at: str) -> str:
    if proved.low == proved.high:
        if proved.is_open:
            return f"for {name} there are not enough seeds to tell{_seeds(proved)}"
        return f"no other {name} of the grid is as good ({at})"
    text = f"any {name} from {proved.low:.4g} to {proved.high:.4g} does ({at})"
    if proved.is_open:
        text += f", and beyond there are not enough seeds to tell{_seeds(proved)}"
    if digits is not None:
        text += f": {DIGITS.get(digits, f'{digits} digits are enough')}"
    return text


def _seeds(proved: Range) -> str:
    if proved.seeds is None:
        return " (more than 1,000 would be needed)"
    return f" (about {proved.seeds} would do)"


def _together(t: Tolerance) -> str:
    if t.together is None:
        return "nothing is proved for both together"
    (a, b), (c, d) = t.together["mean"], t.together["std"]
    return f"together, any mean from {a:.4g} to {b:.4g} with any std from {c:.4g} to {d:.4g}"
