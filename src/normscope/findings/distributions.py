"""Quantiles and tails of the usual distributions, to the bits of ``scipy.stats``.

That module takes longer to import than everything else that a small study's report needs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

NEWTON_ERROR = 1e-12


def normal_quantile(p: float) -> float:
    """The standard normal distribution's quantile."""
    return float(special.ndtri(p))


def t_quantile(p: Any, freedom: Any) -> Any:
    """Student's t distribution's quantile.

    Args:
        p: Its probability, in (0, 1).
        freedom: Degrees of freedom, perhaps infinite, which broadcast against it.

    Returns:
        A float, or an array of the shape that they have together.

    Example:
        >>> round(float(t_quantile(0.975, 4)), 3)
        2.776
    """
    return special.stdtrit(freedom, p)


def t_tail(t: Any, freedom: Any) -> Any:
    """The probability that Student's t is larger than a value; see ``t_quantile``."""
    return special.stdtr(freedom, np.negative(t))


def binomial_tail(successes: np.ndarray, trials: np.ndarray, share: float) -> np.ndarray:
    """The probability of at least so many successes.

    Args:
        successes: Shape ``(K,)``.
        trials: Of how many, of the same shape.
        share: The probability of each.

    Returns:
        Of the same shape.
    """
    some = np.maximum(successes, 1)
    return np.where(successes > 0, special.betainc(some, trials - some + 1, share), 1.0)


def largest_share(successes: int, trials: int, error: float) -> float:
    """The share of successes that so few of them refute from above (Clopper and Pearson, 1934).

    Args:
        successes: How many there were.
        trials: Of how many.
        error: How often the bound may be too low.

    Returns:
        1 where nothing is refuted.
    """
    if successes == trials:
        return 1.0
    return float(special.betaincinv(successes + 1, trials - successes, 1 - error))


def inverse_trigamma(value: float) -> float:
    """Where the trigamma function has a value, by Newton's method on its reciprocal.

    It converges from below for every value (Smyth, 2004, doi:10.2202/1544-6115.1027, appendix).

    Args:
        value: More than 0.

    Returns:
        The argument, within 1e-12 of itself.

    Example:
        >>> round(inverse_trigamma(1.6449340668482264), 12)  # pi squared, over 6
        1.0
    """
    found = 0.5 + 1 / value
    while True:
        there = float(special.polygamma(1, found))
        step = there * (1 - there / value) / float(special.polygamma(2, found))
        found += step
        if abs(step) <= NEWTON_ERROR * found:
            return found
