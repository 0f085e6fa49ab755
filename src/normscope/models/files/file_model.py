"""What the library of every model's file has in common: the file brings its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from normscope.models.libraries.protocol import PretrainedConfig


class ProgramFile:
    """A file that holds a network as a program, which is run and not trained.

    Args:
        name: Its path, as the user gave it.
        read: Makes the network of it.
    """

    def __init__(self, name: str, read: Callable[[Path], nn.Module]) -> None:
        self._name = name
        self._read = read

    def build(self, channels: int, classes: int, image_size: tuple[int, int]) -> nn.Module:  # noqa: ARG002
        """Refuse: a program has no fresh weights."""
        raise NormscopeError(
            f"{self._name} holds a finished program, which is run and not trained. Use "
            "--recipe frozen, or give the network that it was exported from."
        )

    def pretrained(self) -> nn.Module:
        """The network that the file holds, in evaluation mode."""
        return self._read(Path(self._name).expanduser()).eval().requires_grad_(False)

    def published(self) -> PretrainedConfig | None:
        """Nothing: what a file says of its normalization are claims."""
        return None
