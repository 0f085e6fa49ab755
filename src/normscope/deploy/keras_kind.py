"""A Keras 3 file: its layers stay what they are, with other numbers."""

from __future__ import annotations

import zipfile
from functools import partial
from typing import TYPE_CHECKING, Any

from normscope.deploy import keras_folding
from normscope.deploy.program_kind import OwnLayer, ProgramKind
from normscope.models.files import naming
from normscope.models.files.image_input import TAKES
from normscope.models.files.keras_file import trainable_keras
from normscope.models.files.program_network import ProgramNetwork
from normscope.quiet import without_warnings

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from torch import Tensor

    from normscope.deploy.program_entry import ProgramEntry


class KerasKind(ProgramKind):
    """A Keras 3 file."""

    suffixes = (naming.KERAS,)

    def read(self) -> ProgramNetwork:
        """Read the file anew."""
        return trainable_keras(self.source)

    def own_layer(self, channels: int) -> OwnLayer | None:
        """A Rescaling or Normalization layer in front."""
        layer = keras_folding.own_arithmetic(self.network.program)
        if layer is None:
            return None
        last = self.network.input.channels_last
        affine = keras_folding.own_affine(layer, channels, channels_last=last)
        set_affine = partial(keras_folding.set_affine, layer, channels_last=last)
        return OwnLayer(layer.name, type(layer).__name__, affine, set_affine)

    def name_of(self, weight: Tensor) -> str:
        """What the layer with some weights is called."""
        layer = keras_folding.layer_of(self.network.program, weight)
        return "" if layer is None else layer.name

    def bias_of(self, entry: ProgramEntry) -> Tensor | None:
        """The bias of the first layer, which Keras adds by itself."""
        layer = keras_folding.layer_of(self.network.program, entry.weight)
        return keras_folding.bias_of(layer)

    def raw(self, subtracted: np.ndarray | None, taken: torch.dtype) -> ProgramNetwork:
        """The changed network with what is still to be done in front; it takes any numbers."""
        network, model = self.network, self.network.program
        if subtracted is not None:
            last = network.input.channels_last
            model = keras_folding.centred(model, subtracted, channels_last=last)
        self._taken = taken
        return ProgramNetwork(model, network.path, network.input, network.dtype)

    def write(self, raw: ProgramNetwork, image: Tensor, path: Path) -> None:  # noqa: ARG002
        """Save it."""
        model: Any = raw.program
        with without_warnings():
            model.save(path)
        if not self._taken.is_floating_point:
            # Beside what Keras reads: its configuration has no room for it.
            with zipfile.ZipFile(path, "a") as archive:
                archive.writestr(TAKES, str(self._taken).removeprefix("torch."))

    def read_back(self, path: Path) -> Any:
        """The program in a file that ``write`` wrote."""
        return trainable_keras(path, folded=True).program
