"""What a study proves at the margin that it deserves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from normscope.findings.losses import MOST_SEEDS, Losses, losses, resolution
from normscope.findings.verdict import Part, Word, part, word
from normscope.margin import MARGIN

if TYPE_CHECKING:
    from normscope.findings.comparison import Means
    from normscope.findings.trial_table import TrialTable

LARGEST_MARGIN = 0.05
"""No default is larger: nobody calls such a loss none, whatever a small study can resolve."""


@dataclass(frozen=True)
class Asked:
    """The normalizations that an answer is about, as bool masks of shape ``(rows,)``.

    Attributes:
        usual: Those that people use, the reference among them.
        edges: The others.
        slices: The grid's columns and lines.
    """

    usual: np.ndarray
    edges: np.ndarray
    slices: list[np.ndarray]


@dataclass(frozen=True)
class Judged:
    """What a study proves.

    Attributes:
        margin: The largest loss that does not matter.
        resolution: The loss that it can exclude; None where it cannot exclude any.
        usual: What is proved of the usual normalizations.
        edges: What is proved of the others.
        word: Of both.
        left_to_images: Whether only more test images could tell if a usual one loses more.
    """

    margin: float
    resolution: float | None
    usual: Part
    edges: Part
    word: Word
    left_to_images: bool = False


def judged(
    table: TrialTable, asked: Asked, rows: Means | None, reference: int, margin: float | None
) -> Judged:
    """Judge the usual normalizations and the edges.

    Args:
        table: The trainings.
        asked: What they are asked about.
        rows: Their means; None where these are unknown, or the seeds too few to claim anything.
        reference: The row that the others are compared with.
        margin: The largest loss that does not matter; by default 0.002, or what the study can
            resolve where that is more. Where no number of seeds would tell whether a row loses
            anything, it is the largest loss that cannot be excluded, if that settles the answer.
            No default is above 0.05.

    Returns:
        What is proved.
    """
    if rows is None:
        return _at(margin or MARGIN, None, table, asked, None)
    lost, images = losses(rows, reference), table.test_images
    resolved = resolution(rows, reference, asked.usual, images)
    first = _at(margin or min(max(MARGIN, resolved), LARGEST_MARGIN), resolved, table, asked, lost)
    if first.word != "unsettled":
        return first
    without_end = _endless(rows, reference)
    least = margin or max(MARGIN, resolution(rows, reference, asked.usual, images, MOST_SEEDS))
    first = replace(first, left_to_images=_stays_open(without_end, asked.usual, least, sure=least))
    if margin is not None or table.exact:
        return first
    for mask, said in ((asked.usual, "edges"), (asked.usual | asked.edges, "no")):
        bound = float(np.nanmax(lost.bound[mask], initial=0.0))
        if first.margin < bound <= LARGEST_MARGIN and _stays_open(without_end, mask, least, sure=0):
            wider = _at(bound, bound, table, asked, lost)
            if wider.word == said:
                return wider
    return first


def _at(
    margin: float, resolved: float | None, table: TrialTable, asked: Asked, lost: Losses | None
) -> Judged:
    usual, edges = (
        part(table, mask, asked.slices, lost, margin) for mask in (asked.usual, asked.edges)
    )
    return Judged(margin, resolved, usual, edges, word(table, usual, edges))


def _endless(rows: Means, reference: int) -> Losses:
    """What any number of seeds would show of the same means: only the images' draw is left."""
    known = np.full(len(rows.mean), np.inf)
    return losses(replace(rows, seed_variance=np.zeros(len(known)), freedom=known), reference)


def _stays_open(lost: Losses, rows: np.ndarray, margin: float, *, sure: float) -> bool:
    """Whether a loss above a margin cannot be excluded, and none is surely larger than another."""
    return bool((lost.bound[rows] > margin).any() and not (lost.least[rows] > sure).any())
