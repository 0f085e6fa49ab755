"""What is said where a network cannot be folded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from torch import Tensor


WHOLE = "the model"
"""What a layer is called that has no name, since the network is that layer."""


class NoExactFold(NormscopeError):
    """The pixels enter a network by something that cannot take their normalization.

    Args:
        met: What was found in its place.
    """

    def __init__(self, met: str) -> None:
        super().__init__(
            "only convolutions, linear layers and BatchNorms whose weights can be changed may read "
            f"the pixels, for an exact fold; here {met}. Keep the normalization outside the model."
        )

    def __reduce__(self) -> tuple[type[NormscopeError], tuple[str]]:
        return NormscopeError, (str(self),)


def not_taken(image: Tensor, reason: str) -> str:
    """What is said where a network does not run on such images ``(N, C, H, W)``."""
    return (
        f"the model must take images of shape {tuple(image.shape[1:])}, got: {reason}. Give its "
        "--image-size and --channels."
    )
