"""What every library of models offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from normscope.models.preprocessing.claim import BGR

if TYPE_CHECKING:
    from torch import nn

    from normscope.models.preprocessing.claim import Claim
    from normscope.normalization import Normalization


@dataclass(frozen=True)
class PretrainedConfig:
    """What a library says of the weights that it publishes for a model.

    Attributes:
        claim: Of their preprocessing; None where it does not say.
        classes: The names of the outputs; None where it does not say.
        faults: What contradicts itself there, a sentence each.
        digests: What the SHA-256 of the files of weights that it publishes begin with, where known.
    """

    claim: Claim | None = None
    classes: tuple[str, ...] | None = None
    faults: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()

    @property
    def normalization(self) -> Normalization | None:
        """What the weights expect, in the order in which they take channels."""
        if self.claim is None or self.claim.normalization is None:
            return None
        normalization = self.claim.normalization
        return normalization.reversed() if self.claim.order == BGR else normalization

    @property
    def resize(self) -> int | None:
        """Length of the shorter side in pixels that they were tested at."""
        return self.claim.resize if self.claim else None

    @property
    def crop(self) -> int | None:
        """Side of the central square in pixels."""
        return self.claim.crop if self.claim else None

    @property
    def blue_first(self) -> bool:
        """Whether the network takes blue, green, red."""
        return self.claim is not None and self.claim.order == BGR


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
