"""How far a trial's first layer starts from its library's default initialization."""

from __future__ import annotations

import math
from dataclasses import dataclass

from normscope.errors import NormscopeError
from normscope.keywords import check_types


@dataclass(frozen=True)
class InitScale:
    """Factors on the first layer's initial weight and bias.

    Normalization is an affine map before a linear layer, so another initialization of that layer
    might do the same work: these two numbers let a study ask.

    Attributes:
        weight: Multiplies every initial weight of the first layer; > 0.
        bias: Multiplies every initial bias of the first layer; >= 0.

    Raises:
        NormscopeError: If a factor is not finite or out of its range.

    Example:
        >>> InitScale(weight=0.5).bias
        1.0
    """

    weight: float = 1.0
    bias: float = 1.0

    def __post_init__(self) -> None:
        check_types(InitScale.__annotations__, vars(self))
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise NormscopeError(
                f"weight-init must be finite and > 0, got {self.weight}. "
                "Give 1 for the default initialization."
            )
        if not (math.isfinite(self.bias) and self.bias >= 0):
            raise NormscopeError(
                f"bias-init must be finite and >= 0, got {self.bias}. "
                "Give 1 for the default initialization."
            )
