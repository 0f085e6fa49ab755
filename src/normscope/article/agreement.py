"""A published figure beside a measured one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["agrees", "differs", "shrunk", "single", "exact"]

WORDS: dict[Verdict, str] = {
    "agrees": "agrees within the noise",
    "differs": "differs",
    "exact": "the same",
    "single": "one seed: no noise to compare with",
    "shrunk": "shrunk or stood in for, not comparable",
}
"""What each verdict is called."""


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        label: What it is.
        published: As printed.
        measured: Ours; a mean over seeds where there are several.
        noise: Standard deviation of one seed's figure; None where it is not known, 0 where nothing
            is random.
        seeds: How many seeds the measured figure is over.
        shrunk: Whether the experiment was shrunk, or another source or network stood in, so that
            figures are not comparable.
    """

    label: str
    published: float
    measured: float
    noise: float | None
    seeds: int = 1
    shrunk: bool = False

    @property
    def verdict(self) -> Verdict:
        """Whether they agree: the published figure is one draw, ours a mean of several.

        Without noise they agree if ours rounds to what was printed, and that is ``"exact"``.
        """
        if self.shrunk:
            return "shrunk"
        if self.noise is None:
            return "single"
        if self.noise == 0:
            return "exact" if abs(self.measured - self.published) <= self._half_digit else "differs"
        se = math.hypot(self.noise, self.noise / math.sqrt(self.seeds))
        return "agrees" if abs(self.measured - self.published) <= 1.96 * se else "differs"

    @property
    def _half_digit(self) -> float:
        decimals = len(repr(self.published).partition(".")[2])
        return 0.5 * 10.0 ** -min(decimals, 4) * (1 + 1e-9)

    def to_json(self) -> dict[str, Any]:
        """Every field by name."""
        return {**vars(self), "verdict": self.verdict}
