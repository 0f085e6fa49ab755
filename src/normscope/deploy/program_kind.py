"""A program's file that can be folded: how it is read, what of it may change, how it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from normscope.deploy.given_file import SIDE
from normscope.deploy.watching import storage_of
from normscope.models.files.program_network import ProgramNetwork

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from torch import Tensor

    from normscope.deploy.affine import Affine
    from normscope.deploy.program_entry import ProgramEntry


class ProgramKind:
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

    def read(self) -> ProgramNetwork:
        """Read the file anew."""
        raise NotImplementedError

    def usual_side(self) -> int:
        """Side of an image where neither the file nor the user says it, in pixels."""
        return SIDE

    def own_affine(self, channels: int) -> Affine | None:  # noqa: ARG002
        """What a layer in front that may do another map does to each channel; None for none."""
        return None

    def own_named(self) -> tuple[str, str]:
        """The name of that layer, and its kind."""
        raise NotImplementedError

    def set_own(self, affine: Affine) -> None:
        """Let that layer do another map."""
        raise NotImplementedError

    def name_of(self, weight: Tensor) -> str:
        """What the layer with some weights is called; empty where they are constants."""
        named = [*self.network.program.named_parameters(), *self.network.program.named_buffers()]
        names = [name for name, t in named if storage_of(t) == storage_of(weight)]
        return names[0].rpartition(".")[0] if names else ""

    def bias_of(self, entry: ProgramEntry) -> Tensor | None:
        """What may be changed to add a number to each output of the first layer."""
        return entry.bias

    def raw(self, subtracted: np.ndarray | None, taken: torch.dtype) -> ProgramNetwork:
        """The changed network with what is still to be done in front.

        Args:
            subtracted: From each channel of the pixels, or None.
            taken: The type of the pixels.

        Returns:
            What takes raw pixels.
        """
        network, values = self.network, None
        if subtracted is not None:
            shape = (-1,) if network.input.channels_last else (-1, 1, 1)
            values = torch.from_numpy(subtracted).to(network.dtype).reshape(shape)
        return ProgramNetwork(self.behind(values), network.path, network.input, taken)

    def behind(self, subtracted: Tensor | None) -> torch.nn.Module:
        """The changed program behind a conversion of the pixels to its own type.

        Args:
            subtracted: From the pixels too, or None.

        Returns:
            What takes pixels of any type.
        """
        raise NotImplementedError

    def write(self, raw: ProgramNetwork, image: Tensor, path: Path) -> None:
        """Write what ``raw`` gave.

        Args:
            raw: The network.
            image: Shape ``(1, C, H, W)``, such as it takes.
            path: Where.
        """
        raise NotImplementedError

    def read_back(self, path: Path) -> Any:
        """The program in a file that ``write`` wrote."""
        raise NotImplementedError
