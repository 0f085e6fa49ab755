"""Torch's own two kinds of program: of torch.export, and TorchScript."""

from __future__ import annotations

import io
import zipfile
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from normscope.deploy.given_file import SIDE
from normscope.deploy.program_kind import ProgramKind
from normscope.errors import NormscopeError
from normscope.models.files import naming
from normscope.models.files.image_input import TAKES
from normscope.models.files.program import program_with_lengths, silent_export
from normscope.models.files.program_network import ProgramNetwork
from normscope.models.files.torchscript import read_torchscript
from normscope.quiet import without_warnings
from normscope.wording import first_line

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

SUBTRACTED = "normscope_subtracted"


class TorchKind(ProgramKind):
    """A program of torch's."""

    def raw(self, subtracted: np.ndarray | None, taken: torch.dtype) -> ProgramNetwork:
        """The changed network with what is still to be done in front."""
        network, values = self.network, None
        if subtracted is not None:
            shape = (-1,) if network.input.channels_last else (-1, 1, 1)
            values = torch.from_numpy(subtracted).to(network.dtype).reshape(shape)
        return ProgramNetwork(self.behind(values), network.path, network.input, taken)

    @abstractmethod
    def behind(self, subtracted: Tensor | None) -> nn.Module:
        """The changed program behind a conversion of the pixels to its own type.

        Args:
            subtracted: From the pixels too, or None.

        Returns:
            What takes pixels of any type.
        """


class ExportedKind(TorchKind):
    """A program of torch.export."""

    suffixes = (naming.PROGRAM,)

    def read(self) -> ProgramNetwork:
        """Read the file anew, and keep what lengths its input may have."""
        network, self.lengths = program_with_lengths(self.source)
        return network

    def usual_side(self) -> int:
        """The usual one, or the nearest to it that the program takes."""
        bounds = [bounds for axis, bounds in self.lengths.items() if axis]
        least = max((bound[0] for bound in bounds), default=SIDE)
        return int(min([max(SIDE, least), *(bound[1] for bound in bounds)]))

    def behind(self, subtracted: Tensor | None) -> torch.nn.Module:
        """The same program, so that all names stay, with that at its beginning."""
        program: Any = self.network.program
        graph, aten = program.graph, torch.ops.aten
        (given,) = graph.find_nodes(op="placeholder")
        readers = list(given.users)
        with graph.inserting_after(given):
            pixels = graph.call_function(aten.to.dtype, (given, self.network.dtype))
        if subtracted is not None:
            program.register_buffer(SUBTRACTED, subtracted)
            with graph.inserting_after(pixels):
                values = graph.get_attr(SUBTRACTED)
            with graph.inserting_after(values):
                pixels = graph.call_function(aten.sub.Tensor, (pixels, values))
        for reader in readers:
            reader.replace_input_with(given, pixels)
        program.recompile()
        return program

    def write(self, raw: ProgramNetwork, image: Tensor, path: Path) -> None:
        """Export it again, with the same axes of any length."""
        shapes = {
            axis: torch.export.Dim.DYNAMIC(
                min=least, max=int(most) if most < 2**62 else None
            )
            for axis, (least, most) in self.lengths.items()
        }  # fmt: skip
        count = raw.input.batch or 2  # one image would be a fixed batch
        given = raw.input.arranged(image.expand(count, -1, -1, -1).to(raw.dtype))
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


class RawProgram(nn.Module):
    """A program with folded weights that takes pixels of any type, such as uint8.

    Args:
        program: Takes pixels in floating point.
        dtype: That floating point type.
        subtracted: From the pixels first, in the shape of their channels; None for nothing.
    """

    def __init__(self, program: nn.Module, dtype: torch.dtype, subtracted: Tensor | None) -> None:
        super().__init__()
        self.program = program
        self.dtype = dtype
        self.training = False  # a program of torch.export has no other mode
        self.register_buffer("subtracted", subtracted)

    # TorchScript infers what comes out: a program may give more than a tensor.
    def forward(self, pixels: Tensor):
        """What the program gives for raw pixels."""
        pixels = pixels.to(self.dtype)
        if self.subtracted is not None:
            pixels = pixels - self.subtracted  # pyright: ignore[reportOperatorIssue]
        return self.program(pixels)


class ScriptKind(TorchKind):
    """A TorchScript file."""

    suffixes = (".pt", ".pth", ".ts", ".torchscript")

    def read(self) -> ProgramNetwork:
        """Read the file anew."""
        return read_torchscript(self.source)

    def behind(self, subtracted: Tensor | None) -> torch.nn.Module:
        """A module around the program."""
        return RawProgram(self.network.program, self.network.dtype, subtracted)

    def write(self, raw: ProgramNetwork, image: Tensor, path: Path) -> None:  # noqa: ARG002
        """Save it, with the texts that lie beside the program."""
        with without_warnings():
            texts = self._texts()
            if raw.dtype == torch.uint8:
                texts[TAKES] = b"uint8"
            content = torch.jit.script(raw.program).save_to_buffer(texts)
        path.write_bytes(content)

    def _texts(self) -> dict[str, bytes]:
        with zipfile.ZipFile(self.source) as file:
            inner = {name: name.partition("/extra/")[2] for name in file.namelist()}
            return {text: file.read(name) for name, text in inner.items() if text}

    def read_back(self, path: Path) -> Any:
        """The program in a file that ``write`` wrote."""
        with without_warnings():
            return torch.jit.load(str(path), map_location="cpu")
