"""What each normalization may cost at most, what a study can resolve, and what it would take."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.findings.comparison import ERROR_RATE, verdict
from normscope.findings.distributions import t_quantile

if TYPE_CHECKING:
    from normscope.findings.comparison import Means, Verdict

DRAWS = 400
POWER = 0.8
MOST_SEEDS = 1000


@dataclass(frozen=True)
class Losses:
    """What each row loses against the reference, each array of shape ``(rows,)``.

    Attributes:
        bound: The largest loss that cannot be excluded, one-sided 95 % for all rows at once; NaN
            where nothing learned.
        least: What a row surely loses, likewise with ``gain`` together; negative where no loss is
            sure.
        gain: What a row surely has more.
        most: The largest gain that cannot be excluded, like ``bound``.
    """

    bound: np.ndarray
    least: np.ndarray
    gain: np.ndarray
    most: np.ndarray

    def verdicts(self, margin: float) -> list[Verdict]:
        """What the bounds say of every row.

        Returns:
            ``"equivalent"`` where both a larger loss and a larger gain can be excluded, else
            ``"better"`` or ``"worse"`` where the difference is surely not 0, else ``"open"``.
        """
        within = (self.bound <= margin) & (self.most <= margin)
        return [
            verdict(bool(equal), bool(least > 0 or gain > 0), float(gain))
            for equal, least, gain in zip(within, self.least, self.gain, strict=True)
        ]


def losses(rows: Means, reference: int) -> Losses:
    """Bound every loss at once.

    The correction is Sidak's, which holds because differences from one row are positively
    correlated (Sidak, J. Am. Stat. Assoc. 62, 1967, doi:10.1080/01621459.1967.10482935).

    Returns:
        The bounds.
    """
    found = rows.differences(reference)
    one, both = (_quantile(rows, found.freedom, sides) for sides in (1, 2))
    # No accuracy is lost or gained beyond 1.
    bound = np.clip(-found.value + found.se * one, 0, 1)
    least, gain = -found.value - found.se * both, found.value - found.se * both
    most = np.clip(found.value + found.se * one, 0, 1)
    for ends in (bound, least, gain, most):
        ends[reference] = 0.0
    return Losses(bound, least, gain, most)


def resolution(
    rows: Means, reference: int, usual: np.ndarray, images: int, seeds: int | None = None
) -> float:
    """The loss that a study can exclude.

    If no usual normalization lost anything, the study would show with a power of 80 % that none
    loses more than this. It comes from drawing means without any difference and bounding their
    losses as those of the study are.

    Args:
        rows: The means.
        reference: The row of the reference.
        usual: bool, the rows that are to be cleared, shape ``(rows,)``; all where none but the
            reference is.
        images: Test images; no study resolves less than one.
        seeds: As if the study had so many; its own number by default.

    Returns:
        In units of accuracy.
    """
    others = ~np.isnan(rows.mean)
    others[reference] = False
    cleared = np.flatnonzero(others & usual) if (others & usual).any() else np.flatnonzero(others)
    if not cleared.size:
        return 1 / images
    factor = 1.0 if seeds is None else rows.seeds / seeds
    drawn_rows = np.append(cleared, reference)
    covariance = rows.shared.of_rows(drawn_rows)
    covariance[np.diag_indices(len(drawn_rows))] += rows.seed_variance[drawn_rows] * factor
    values, root = np.linalg.eigh(covariance)
    del covariance  # of thousands of rows it is a large part of the memory
    root *= np.sqrt(np.maximum(values, 0))
    drawn = np.random.default_rng(0).standard_normal((DRAWS, len(drawn_rows))) @ root.T
    found = rows.differences(reference)
    se = np.sqrt(found.seed_se**2 * factor + found.images_se**2)[cleared]
    half = se * _quantile(rows, found.freedom, 1)[cleared]
    worst = (drawn[:, -1:] - drawn[:, :-1] + half).max(axis=1)
    return max(1 / images, float(np.quantile(worst, POWER)))


def seeds_to_resolve(
    rows: Means, reference: int, usual: np.ndarray, images: int, margin: float
) -> int | None:
    """How many seeds would resolve a margin.

    Args:
        rows: The means.
        reference: The row of the reference.
        usual: bool, the rows that are to be cleared.
        images: Test images.
        margin: In units of accuracy.

    Returns:
        The fewest; None where 1,000 would not do, because the test images are too few.
    """
    if rows.exact or resolution(rows, reference, usual, images, MOST_SEEDS) > margin:
        return None

    def resolves(seeds: int) -> bool:
        return resolution(rows, reference, usual, images, seeds) <= margin

    return bisect_left(range(MOST_SEEDS), x=True, lo=rows.seeds, key=resolves)


def _quantile(rows: Means, freedom: np.ndarray, sides: int) -> np.ndarray:
    count = max(int((~np.isnan(rows.mean)).sum()) - 1, 1)
    return t_quantile((1 - ERROR_RATE) ** (1 / (sides * count)), freedom)
