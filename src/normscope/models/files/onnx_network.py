"""An ONNX file as a network: run by onnxruntime, with torch's tensors in and out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from normscope.errors import NormscopeError
from normscope.machine.cores import available_cores
from normscope.models.files.image_input import (
    ImageInput,
    as_answers,
    check_floats,
    one_input,
    one_output,
)
from normscope.models.files.onnx_file import read_graph
from normscope.wording import first_line

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from onnx import ModelProto

KNOWN_DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc"}
"""Of the operators that onnxruntime has."""

SILENT = 4
"""Of onnxruntime's levels: what goes wrong comes as an exception."""


class OnnxNetwork(nn.Module):
    """An ONNX file that takes float images ``(N, C, H, W)`` and gives ``(N, outputs)``.

    Where its own input is ``(N, H, W, C)``, float16, or of a fixed number of images, images are
    made so. It has no weights that torch can reach, and nothing in it can be trained.

    Args:
        path: The file.
        part: A part of it that is run in its place, whose output is given as it is.

    Raises:
        NormscopeError: If it cannot be read, does not take one batch of images, or has several
            outputs.
    """

    def __init__(self, path: Path, *, part: ModelProto | None = None) -> None:
        super().__init__()
        self.path = path
        _check_operators(path)
        self._session = _session(path, part)
        self._whole = part is None
        given = self._session.get_inputs()
        one_input(path, [one.name for one in given])
        one_output(path, [one.name for one in self._session.get_outputs()])
        self._name = given[0].name
        kind = given[0].type.removeprefix("tensor(").removesuffix(")")
        check_floats(path, self._name, kind)
        self._dtype = {"float16": torch.float16, "double": torch.float64}.get(kind, torch.float32)
        self.input = ImageInput.of(path, self._name, given[0].shape)

    def forward(self, images: Tensor) -> Tensor:
        """The outputs ``(N, outputs)`` of normalized images ``(N, C, H, W)``."""
        self.input.check(self.path, images)
        given = images.detach().to("cpu", self._dtype)
        if self.input.channels_last:
            given = given.permute(0, 2, 3, 1)
        outputs = self.input.in_batches(self._run, given)
        if self._whole:
            outputs = as_answers(outputs, images, self.path)
        return outputs.to(images.device, torch.float32)

    def _run(self, images: Tensor) -> Tensor:
        feed = {self._name: images.contiguous().numpy()}
        try:
            found: np.ndarray = self._session.run(None, feed)[0]
        except Exception as error:  # noqa: BLE001 - onnxruntime's errors share no kind
            raise NormscopeError(
                f"{self.path} must take images of shape {tuple(images.shape)}, got: "
                f"{_reason(error)}. Give --resize and --crop as in its evaluation."
            ) from None
        return torch.from_numpy(found)


def _session(path: Path, part: ModelProto | None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT
    options.intra_op_num_threads = available_cores()
    # Threads that wait by spinning would take the cores of those that decode images.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(
            str(path) if part is None else part.SerializeToString(), options,
            providers=["CPUExecutionProvider"],
        )  # fmt: skip
    except Exception as error:  # noqa: BLE001 - likewise
        raise NormscopeError(
            f"{path} must be an ONNX file that onnxruntime runs, got: {_reason(error)}. "
            "Export it again, or for a lower opset."
        ) from None


def _check_operators(path: Path) -> None:
    model = read_graph(path, weights=False)
    own = {(function.domain, function.name) for function in model.functions}
    for node in model.graph.node:
        if node.domain not in KNOWN_DOMAINS and (node.domain, node.op_type) not in own:
            raise NormscopeError(
                f"{path} must use operators that onnxruntime has, got {node.domain}.{node.op_type},"
                " which is a custom one. Export it without."
            )


def _reason(error: Exception) -> str:
    """The part of onnxruntime's error that says what happened: after its code, node and source."""
    said = first_line(str(error).rpartition(" : ")[2].rpartition("Status Message: ")[2])
    return re.sub(r"^\S+\.(h|cc):\d+ [^()]*\([^()]*\)( \[.*?\])? ", "", said)
