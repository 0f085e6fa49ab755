"""What a scan proves, as one value: numbers, a word and a sentence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from normscope.findings.by_axis import Leading
    from normscope.findings.cell_findings import CellFinding
    from normscope.findings.tolerance import Tolerance
    from normscope.findings.variance_shares import Share
    from normscope.findings.verdict import Part, Word
    from normscope.normalization import Normalization


@dataclass(frozen=True)
class Findings:
    """What a scan proves.

    Attributes:
        verdict: Whether the normalization matters: yes, no, only at the edges, or not settled.
        answer: The same in one sentence, which says what to do.
        margin: The largest loss that does not matter.
        resolution: The loss that the study can exclude, however many seeds it had; None where it
            cannot exclude any.
        seeds: How many seeds every cell was trained with to the end.
        exact: Whether nothing is drawn at random, as with a frozen network.
        data: The images' own mean and std.
        reference: What cells are compared with.
        shares: Of the variance of those that learned, by component; None where nothing varies.
        leading: The axis that most of it goes with; None where there is none.
        cells: One per cell, std varying fastest, then one per reference off the grid.
        grid_cells: How many of them are cells of the grid.
        usual: What is proved of the normalizations that people use.
        edges: What is proved of the others.
        tolerance: How far the reference may be moved; None where the axes are not mean and std.
        seeds_to_settle: How many seeds would resolve 0.002; None where no number of seeds would.
        left_to_images: Whether only more test images could tell if a usual normalization loses more
            than the margin.
    """

    verdict: Word
    answer: str
    margin: float
    resolution: float | None
    seeds: int
    exact: bool
    data: Normalization
    reference: Normalization
    shares: dict[str, Share] | None
    leading: Leading | None
    cells: tuple[CellFinding, ...]
    grid_cells: int
    usual: Part
    edges: Part
    tolerance: Tolerance | None
    seeds_to_settle: int | None
    left_to_images: bool

    @property
    def at_reference(self) -> CellFinding:
        """The row that the others are compared with."""
        return next(cell for cell in self.cells if cell.normalization == self.reference)

    def to_json(self) -> dict[str, Any]:
        """Every field by name."""
        shares = self.shares
        fields = {
            **vars(self),
            "data": self.data.to_json(),
            "reference": self.reference.to_json(),
            "shares": shares and {name: vars(share) for name, share in shares.items()},
            "leading": self.leading and vars(self.leading),
            "cells": [cell.to_json() for cell in self.cells],
            "tolerance": self.tolerance and asdict(self.tolerance),
        }
        return {name: value for name, value in fields.items() if name not in {"usual", "edges"}}
