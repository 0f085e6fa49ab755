"""Two studies that share normalizations: by how much one exceeds the other, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.findings.comparison import ERROR_RATE, FEWEST_SEEDS, Verdict, verdict
from normscope.findings.distributions import t_quantile, t_tail

if TYPE_CHECKING:
    from normscope.findings.cell_findings import CellFinding
    from normscope.normalization import Normalization


@dataclass(frozen=True)
class StudyDifference:
    """One normalization in two studies.

    Attributes:
        normalization: What both tried.
        value: Mean accuracy of the second study less that of the first.
        low: Lower end of its 95 % interval.
        high: Upper end.
        verdict: Corrected for the number of shared normalizations.
    """

    normalization: Normalization
    value: float
    low: float
    high: float
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """Every field by name."""
        fields = {**vars(self), **self.normalization.to_json()}
        del fields["normalization"]
        return fields


def study_differences(
    first: tuple[CellFinding, ...], second: tuple[CellFinding, ...], margin: float
) -> list[StudyDifference]:
    """Compare what two studies both tried.

    Studies may differ in anything, so their seeds are not taken for pairs: the variances of both
    means add up, with Satterthwaite's degrees of freedom. A frozen network has no seeds; its test
    images are then the noise, and those of two studies are not taken for pairs either.

    Returns:
        One difference for each shared normalization, in the first study's order.
    """
    others = {cell.normalization: cell for cell in second if cell.se is not None}
    pairs = [
        (cell, others[cell.normalization])
        for cell in first
        if cell.se is not None and cell.normalization in others
    ]
    if not pairs:
        return []
    one, two = _Side.of([a for a, _ in pairs]), _Side.of([b for _, b in pairs])
    variance = one.variance + two.variance
    doubt = one.variance**2 / one.freedom + two.variance**2 / two.freedom
    freedom = np.maximum(variance**2 / np.maximum(doubt, np.finfo(float).tiny), 1)
    se = np.sqrt(variance)
    value = two.mean - one.mean

    def p_beyond(bound: float, sign: int) -> np.ndarray:
        """One-sided p-values for a difference beyond a bound on the side of a sign."""
        excess = sign * (value - bound)
        p = t_tail(excess / np.where(se > 0, se, 1), freedom)
        return np.where(se > 0, p, np.where(excess > 0, 0.0, 1.0))

    enough = one.enough & two.enough
    equal = holm(np.maximum(p_beyond(margin, -1), p_beyond(-margin, 1))) & enough
    apart = holm(np.minimum(1, 2 * np.minimum(p_beyond(0, -1), p_beyond(0, 1)))) & enough
    half = se * t_quantile(1 - ERROR_RATE / 2, freedom)
    low, high = np.clip((value - half, value + half), -1, 1)
    return [
        StudyDifference(
            cell.normalization, float(value[k]), float(low[k]), float(high[k]),
            verdict(bool(equal[k]), bool(apart[k]), float(value[k])),
        )
        for k, (cell, _) in enumerate(pairs)
    ]  # fmt: skip


def holm(p: np.ndarray) -> np.ndarray:
    """Which hypotheses are rejected, with the chance of any false rejection held at 5 %.

    Args:
        p: p-values, shape ``(tests,)``.

    Returns:
        bool, shape ``(tests,)``.

    Example:
        >>> holm(np.array([0.01, 0.2, 0.02]))
        array([ True, False,  True])
    """
    order = np.argsort(p, kind="stable")
    passed = p[order] <= ERROR_RATE / np.arange(len(p), 0, -1)
    rejected = np.zeros(len(p), bool)
    rejected[order] = np.logical_and.accumulate(passed)
    return rejected


@dataclass(frozen=True)
class _Side:
    """One study's means, over those that learned, with the variance of each."""

    mean: np.ndarray
    variance: np.ndarray
    freedom: np.ndarray
    enough: np.ndarray

    @classmethod
    def of(cls, cells: list[CellFinding]) -> _Side:
        mean = np.array([cell.accuracy for cell in cells], float)
        se = np.array([cell.se for cell in cells], float)
        learned = np.array([cell.learned for cell in cells])
        # Findings of one seed with an error are a frozen network's: its images are the noise.
        if all(len(cell.seeds) == 1 for cell in cells):
            images = np.array([cell.images_variance for cell in cells])
            return cls(mean, images, np.full(len(cells), np.inf), np.ones(len(cells), bool))
        freedom = np.maximum(learned - 1.0, 1.0)
        return cls(mean, se**2, freedom, learned >= FEWEST_SEEDS)
