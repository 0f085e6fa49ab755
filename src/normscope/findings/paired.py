"""Two conditions with the same seeds: their difference, and whether it is small enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import stats

from normscope.trials.outcome import MARGIN

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

ERROR_RATE = 0.05

Verdict = Literal["equivalent", "better", "worse", "open"]


@dataclass(frozen=True)
class PairedDifference:
    """How much one condition exceeds another.

    Attributes:
        mean: Mean difference over seeds.
        se: Its standard error; None for fewer than two seeds.
        verdict: ``"equivalent"`` where the difference lies within the margin by two one-sided t
            tests at 5 %; else ``"better"`` or ``"worse"`` where it is not 0 by a two-sided one at
            5 %; else ``"open"``: there are not enough seeds to tell.
        interval: The 95 % t interval of ``mean``; None for fewer than two seeds.
    """

    mean: float
    se: float | None
    verdict: Verdict
    interval: tuple[float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Every field by name.

        Returns:
            A mapping of plain values.
        """
        return {
            "difference": self.mean,
            "difference_se": self.se,
            "difference_interval": self.interval and list(self.interval),
            "verdict": self.verdict,
        }


ROUNDING = np.sqrt(1 / 6)
"""Standard deviation of the difference of two rounded numbers, in steps of the rounding."""


def paired_difference(
    accuracies: ArrayLike, reference: ArrayLike, margin: float = MARGIN, images: int | None = None
) -> PairedDifference:
    """Compare two conditions seed by seed.

    Two one-sided tests (Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987, doi:10.1007/BF01068419)
    reverse the burden of proof: few seeds or much noise never make two conditions equivalent.

    Args:
        accuracies: One per seed, shape ``(seeds,)``.
        reference: Of the same seeds, in the same order.
        margin: The largest difference that does not matter.
        images: How many test images each accuracy is a share of. Few seeds can agree to the image
            by chance, so the differences are taken to spread by their rounding at least.

    Returns:
        The difference of ``accuracies`` from ``reference``.

    Example:
        >>> paired_difference([0.91, 0.93, 0.92], [0.81, 0.83, 0.80]).verdict
        'better'
    """
    differences = np.asarray(accuracies, float) - np.asarray(reference, float)
    seeds, mean = len(differences), float(differences.mean())
    if seeds < 2:
        return PairedDifference(mean, None, "open")
    least = ROUNDING / images if images else 0.0
    se = max(float(differences.std(ddof=1)), least) / float(np.sqrt(seeds))
    one_sided = se * float(stats.t.ppf(1 - ERROR_RATE, seeds - 1))
    two_sided = se * float(stats.t.ppf(1 - ERROR_RATE / 2, seeds - 1))
    verdict: Verdict = "open"
    if abs(mean) + one_sided < margin:
        verdict = "equivalent"
    elif abs(mean) > two_sided:
        verdict = "better" if mean > 0 else "worse"
    return PairedDifference(mean, se, verdict, (mean - two_sided, mean + two_sided))
