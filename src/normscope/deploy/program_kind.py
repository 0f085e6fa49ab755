"""A program's file that can be folded: how it is read, changed and written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from normscope.deploy.given_file import SIDE
from normscope.deploy.watching import storage_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    import torch
    from torch import Tensor

    from normscope.deploy.affine import Affine
    from normscope.deploy.program_entry import ProgramEntry
    from normscope.models.files.program_network import ProgramNetwork


@dataclass(frozen=True)
class OwnLayer:
    """A layer in front of a network that maps each channel by itself.

    Attributes:
        name: What it is called.
        kind: Its type.
        affine: What it does.
        set_affine: Lets it do another map.
    """

    name: str
    kind: str
    affine: Affine
    set_affine: Callable[[Affine], None]


class ProgramKind(ABC):
    """A program's file that is to be folded.

    Args:
        source: The file.

    Attributes:
        network: What it holds, to be changed.
    """

    suffixes: tuple[str, ...]

    def __init__(self, source: Path) -> None:
        self.source = source
        self.network = self.read()

    @abstractmethod
    def read(self) -> ProgramNetwork:
        """Read the file anew."""

    def usual_side(self) -> int:
        """Side of an image where neither the file nor the user says it, in pixels."""
        return SIDE

    def own_layer(self, channels: int) -> OwnLayer | None:  # noqa: ARG002
        """A layer in front that may do another map of the channels; None where there is none."""
        return None

    def name_of(self, weight: Tensor) -> str:
        """What the layer with some weights is called; empty where they are constants."""
        named = [*self.network.program.named_parameters(), *self.network.program.named_buffers()]
        names = [name for name, t in named if storage_of(t) == storage_of(weight)]
        return names[0].rpartition(".")[0] if names else ""

    def bias_of(self, entry: ProgramEntry) -> Tensor | None:
        """What may be changed to add a number to each output of the first layer."""
        return entry.bias

    @abstractmethod
    def raw(self, subtracted: np.ndarray | None, taken: torch.dtype) -> ProgramNetwork:
        """The changed network with what is still to be done in front.

        Args:
            subtracted: From each channel of the pixels, or None.
            taken: The type of the pixels.

        Returns:
            What takes raw pixels.
        """

    @abstractmethod
    def write(self, raw: ProgramNetwork, image: Tensor, path: Path) -> None:
        """Write what ``raw`` gave.

        Args:
            raw: The network.
            image: Shape ``(1, C, H, W)``, such as it takes.
            path: Where.
        """

    @abstractmethod
    def read_back(self, path: Path) -> Any:
        """The program in a file that ``write`` wrote."""
