"""Each kind of program that can be folded: how it is read, what of it may change, how written."""

from __future__ import annotations

import io
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import torch

from normscope.deploy import keras_folding
from normscope.deploy.layers import RawProgram
from normscope.deploy.watching import storage_of
from normscope.errors import NormscopeError
from normscope.models.files import archive, naming
from normscope.models.files.keras_file import trainable_keras
from normscope.models.files.program import program_with_lengths, silent_export
from normscope.models.files.program_network import ProgramNetwork
from normscope.models.files.torchscript import read_torchscript
from normscope.wording import first_line

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
        network = self.network
        shape = (-1,) if network.input.channels_last else (-1, 1, 1)
        values = None
        if subtracted is not None:
            values = torch.from_numpy(subtracted).to(network.dtype).reshape(shape)
        module = RawProgram(network.program, network.dtype, values).requires_grad_(False)
        return ProgramNetwork(module, network.path, network.input, taken)

    def write(self, raw: ProgramNetwork, example: Tensor, path: Path) -> None:
        """Write what ``raw`` gave.

        Args:
            raw: The network.
            example: Images ``(N, C, H, W)`` that it takes.
            path: Where.
        """
        raise NotImplementedError

    def read_back(self, path: Path) -> Any:
        """The program in a file that ``write`` wrote."""
        raise NotImplementedError


class ExportedKind(ProgramKind):
    """A program of torch.export."""

    suffixes = (naming.PROGRAM,)

    def read(self) -> ProgramNetwork:
        """Read the file anew, and keep what lengths its input may have."""
        network, self.lengths = program_with_lengths(self.source)
        return network

    def write(self, raw: ProgramNetwork, example: Tensor, path: Path) -> None:
        """Export it again, with the same axes of any length."""
        shapes = {
            axis: torch.export.Dim.DYNAMIC(
                min=least, max=int(most) if most < 2**62 else None
            )
            for axis, (least, most) in self.lengths.items()
        }  # fmt: skip
        given = raw.input.arranged(example.to(raw.dtype))
        with silent_export():
            try:
                program = torch.export.export(raw.program, (given,), dynamic_shapes=(shapes,))
            except Exception as error:  # noqa: BLE001 - torch's exporter fails in any way
                raise NormscopeError(
                    f"{self.source} must be a program that this torch ({torch.__version__}) "
                    f"exports again, got: {first_line(error)}. Fold the network that it was "
                    "exported from."
                ) from None
            # Into memory first: torch's own writer ends the process where the disk is full.
            buffer = io.BytesIO()
            torch.export.save(program, buffer)
        path.write_bytes(buffer.getbuffer())

    def read_back(self, path: Path) -> Any:
        """The program in a file that ``write`` wrote."""
        with silent_export():
            return torch.export.load(path).module()


class ScriptKind(ProgramKind):
    """A TorchScript file."""

    suffixes = (".pt", ".pth", ".ts", ".torchscript")

    def read(self) -> ProgramNetwork:
        """Read the file anew."""
        return read_torchscript(self.source)

    def write(self, raw: ProgramNetwork, example: Tensor, path: Path) -> None:  # noqa: ARG002
        """Save it, with the texts that lie beside the program."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.jit.script(raw.program).save_to_buffer(self._texts())
        path.write_bytes(content)

    def _texts(self) -> dict[str, bytes]:
        with zipfile.ZipFile(self.source) as file:
            inner = {name: name.partition("/extra/")[2] for name in file.namelist()}
            return {text: file.read(name) for name, text in inner.items() if text}

    def read_back(self, path: Path) -> Any:
        """The program in a file that ``write`` wrote."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.jit.load(str(path), map_location="cpu")


class KerasKind(ProgramKind):
    """A Keras 3 file."""

    suffixes = (naming.KERAS,)

    def read(self) -> ProgramNetwork:
        """Read the file anew."""
        return trainable_keras(self.source)

    def own_affine(self, channels: int) -> Affine | None:
        """What a Rescaling or Normalization layer in front does to each channel."""
        layer = keras_folding.own_arithmetic(self.network.program)
        if layer is None:
            return None
        last = self.network.input.channels_last
        return keras_folding.own_affine(layer, channels, channels_last=last)

    def own_named(self) -> tuple[str, str]:
        """The name of that layer, and its kind."""
        layer = keras_folding.own_arithmetic(self.network.program)
        return layer.name, type(layer).__name__

    def set_own(self, affine: Affine) -> None:
        """Let that layer do another map."""
        layer = keras_folding.own_arithmetic(self.network.program)
        last = self.network.input.channels_last
        keras_folding.set_affine(layer, affine, channels_last=last)

    def name_of(self, weight: Tensor) -> str:
        """What the layer with some weights is called."""
        layer = keras_folding.layer_of(self.network.program, weight)
        return "" if layer is None else layer.name

    def bias_of(self, entry: ProgramEntry) -> Tensor | None:
        """The bias of the first layer, which Keras adds by itself."""
        layer = keras_folding.layer_of(self.network.program, entry.weight)
        return keras_folding.bias_of(layer)

    def raw(self, subtracted: np.ndarray | None, taken: torch.dtype) -> ProgramNetwork:  # noqa: ARG002
        """The changed network with what is still to be done in front; it takes any numbers."""
        network, model = self.network, self.network.program
        if subtracted is not None:
            last = network.input.channels_last
            model = keras_folding.centred(model, subtracted, channels_last=last)
        return ProgramNetwork(model, network.path, network.input, network.dtype)

    def write(self, raw: ProgramNetwork, example: Tensor, path: Path) -> None:  # noqa: ARG002
        """Save it."""
        model: Any = raw.program
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.save(path)

    def read_back(self, path: Path) -> Any:
        """The program in a file that ``write`` wrote."""
        return trainable_keras(path).program


KINDS: dict[str, type[ProgramKind]] = {
    archive.PROGRAM: ExportedKind, archive.SCRIPT: ScriptKind, archive.KERAS: KerasKind,
}  # fmt: skip
