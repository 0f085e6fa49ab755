"""What every library of models offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import nn

    from normscope.normalization import Normalization


@dataclass(frozen=True)
class PretrainedConfig:
    """What a library says of the weights that it publishes for a model.

    Attributes:
        normalization: What they expect; None where it does not say.
        classes: The names of the outputs; None where it does not say.
        resize: Length of the shorter side in pixels that they were tested at.
        crop: Side of the central square in pixels.
    """

    normalization: Normalization | None = None
    classes: tuple[str, ...] | None = None
    resize: int | None = None
    crop: int | None = None


class Library(Protocol):
    """Builds the models of one name."""

    def build(self, channels: int, classes: int, image_size: tuple[int, int]) -> nn.Module:
        """A freshly initialized network, on the CPU; an image's height and width are in pixels."""
        ...

    def pretrained(self) -> nn.Module:
        """The network with the weights that the library publishes, and with their outputs."""
        ...

    def published(self) -> PretrainedConfig | None:
        """What the library says of those weights, unfetched; None where it publishes none."""
        ...
