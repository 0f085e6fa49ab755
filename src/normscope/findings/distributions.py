"""Quantiles and tails of the usual distributions, to the bits of ``scipy.stats``.

That module takes longer to import than all else that a small study's report needs.
"""

from __future__ import annotations

import math
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
        p: The probability below it, in (0, 1).
        freedom: Degrees of freedom, which may be infinite; both broadcast.

    Returns:
        A float, or an array of their broadcast shape.

    Example:
        >>> round(float(t_quantile(0.975, 4)), 3)
        2.776
    """
    return special.stdtrit(freedom, p)


def t_tail(t: Any, freedom: Any) -> Any:
    """The probability that Student's t exceeds a value; see ``t_quantile``."""
    return special.stdtr(freedom, np.negative(t))


def binomial_tail(successes: np.ndarray, trials: np.ndarray, share: float) -> np.ndarray:
    """The probability of at least so many successes.

    Args:
        successes: Shape ``(K,)``.
        trials: How many there were each time, shape ``(K,)``.
        share: The probability of a success.

    Returns:
        Shape ``(K,)``.
    """
    some = np.maximum(successes, 1)
    return np.where(successes > 0, special.betainc(some, trials - some + 1, share), 1.0)


def largest_share(successes: int, trials: int, error: float) -> float:
    """Clopper and Pearson's upper bound of a share (1934, doi:10.1093/biomet/26.4.404).

    Args:
        successes: How many there were.
        trials: Among how many.
        error: How often the bound may be too low.

    Returns:
        The largest share that is not refuted; 1 where all succeeded.
    """
    if successes == trials:
        return 1.0
    return float(special.betaincinv(successes + 1, trials - successes, 1 - error))


def inverse_trigamma(value: float) -> float:
    """The inverse of the trigamma function, by Newton's method on the reciprocal.

    It converges from below for every value (Smyth, 2004, doi:10.2202/1544-6115.1027, appendix).

    Args:
        value: More than 0.

    Returns:
        The argument, to a relative error of 1e-12; NaN of NaN.

    Example:
        >>> round(inverse_trigamma(1.6449340668482264), 12)  # pi squared, over 6
        1.0
    """
    found, step = 0.5 + 1 / value, math.inf
    while abs(step) > NEWTON_ERROR * found:
        there = float(special.polygamma(1, found))
        step = there * (1 - there / value) / float(special.polygamma(2, found))
        found += step
    return found
