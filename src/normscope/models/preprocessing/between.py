"""Where two claims about the same model cannot both be right."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from normscope.models.preprocessing.dark import used_by_constants
from normscope.normalization import NONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.models.preprocessing.claim import Claim
    from normscope.normalization import Normalization

CLOSE = 0.01
"""The largest difference of normalized values, in units of their range, by rounded constants."""


def disagreements(claims: Sequence[Claim]) -> list[str]:
    """Sentences about claims that contradict each other.

    Args:
        claims: Of one model.

    Returns:
        One sentence for each pair that differs.
    """
    sentences = []
    outside = [claim for claim in claims if not claim.inside and claim.normalization is not None]
    for one, other in combinations(outside, 2):
        if not same(one.normalization, other.normalization):
            sentences.append(f"{one.source} says {_text(one)}, {other.source} says {_text(other)}.")
        elif one.order and other.order and one.order != other.order:
            sentences.append(
                f"{one.source} says {one.order} order, {other.source} says {other.order}."
            )
    for inside in (claim for claim in claims if claim.inside and claim.normalization is not None):
        sentences += [
            _twice(inside, other)
            for other in outside
            if not same(other.normalization, inside.outside)
        ]
    return sentences


def same(one: Normalization | None, other: Normalization | None, close: float = CLOSE) -> bool:
    """Whether two normalizations do the same.

    Args:
        one: One of them.
        other: The other.
        close: The largest difference of normalized values that counts as none, in units of the
            range that [0, 1] becomes, or of dark images as much of it as they reach.

    Returns:
        Whether they differ by no more; two of None are the same.
    """
    if one is None or other is None:
        return one is other
    channels = max(one.channels, other.channels)
    if {one.channels, other.channels} - {1, channels}:
        return False
    with np.errstate(all="ignore"):
        pair = [n.for_channels(channels) for n in (one, other)]
        pixels = _ends(pair[0])
        ends = [(pixels - n.mean) / n.std for n in pair]
        reach = np.ptp(ends[0], axis=0).max()
        return bool(np.abs(ends[0] - ends[1]).max() <= close * reach)


def _ends(normalization: Normalization) -> np.ndarray:
    """The darkest and the brightest pixels that such constants are for."""
    mean, unit = np.asarray(normalization.mean), used_by_constants(normalization)
    ends = np.clip([mean - unit / 2, mean + unit / 2], 0, 1)
    return np.where(unit < 1, ends, [[0.0], [1.0]])


def _twice(inside: Claim, other: Claim) -> str:
    if inside.normalization is not None and same(inside.normalization, NONE):
        done = "already divides by 255"
    else:
        done = f"already normalizes by {inside.normalization:.4g}"
    return f"{inside.source} {done}, and {other.source} says {_text(other)} in front of it."


def _text(claim: Claim) -> str:
    return f"{claim.normalization:.4g}"
