"""How far a folded file's outputs are from the original's, and whether rounding explains it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.errors import WorkFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDING = {"bfloat16": 0.4, "float16": 5e-2, "float32": 1e-4, "float64": 1e-10}
"""The largest difference at the first layer, in units of its outputs' spread, by their type."""

BEHIND = 100
"""How much larger a difference may grow in the layers behind, which are the same."""


@dataclass(frozen=True)
class Differences:
    """How far a folded file's outputs are from the original's.

    What lies behind the first layer is the same in both, so that its own outputs show an error
    which a saturated output would hide.

    Attributes:
        first_layer: The largest at the first layer, in units of the spread of what it gives; None
            where only the numbers of a layer in front of it are other ones.
        largest: The largest of an output.
        spread: The standard deviation of the original's output where that is.
    """

    first_layer: float | None
    largest: float
    spread: float

    @property
    def at_first_layer(self) -> str:
        """How far they are there, as the end of a sentence."""
        if self.first_layer is None:
            return ""
        return f"; at the first layer {self.first_layer:.2g} of its outputs' std"

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` holds of them."""
        return {
            "first_layer_difference": self.first_layer,
            "largest_difference": self.largest,
            "output_std": self.spread,
        }

    def check(self, dtype: str, what: str) -> None:
        """Refuse more than rounding can explain.

        Args:
            dtype: The least precise type that both compute in.
            what: What was folded, such as ``"graph"``.

        Raises:
            WorkFailed: If they are more.
        """
        allowed = ROUNDING[dtype]
        most = allowed + BEHIND * allowed * self.spread
        first = self.first_layer or 0.0
        if not (first <= allowed and self.largest <= most):
            raise WorkFailed(
                f"the folded {what} must agree with the original to {allowed:g} of the spread at "
                f"its first layer and to {most:.3g} at its outputs, got {first:.3g} and "
                f"{self.largest:.3g}. Nothing was written; keep the normalization outside the "
                "model."
            )


def not_held(norm: str, dtype: str) -> str:
    """What is said where a type is too small for folded weights."""
    return (
        f"--norm {norm} must leave numbers that {dtype} holds, got some that are infinite once "
        "folded. Check the mean and the std."
    )


def largest_and_spread(expected: NDArray, found: NDArray) -> tuple[float, float]:
    """The largest absolute difference, and the standard deviation of what is expected."""
    wide, other = expected.astype(np.float64), found.astype(np.float64)
    return float(np.abs(wide - other).max()), float(wide.std())
