"""Does a folded ONNX model give the same outputs? Asked of onnxruntime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from onnx import helper

from normscope.deploy.comparing import as_taken
from normscope.deploy.differences import Differences, largest_and_spread
from normscope.errors import NormscopeError
from normscope.images.tensors import normalized
from normscope.models.files.onnx_network import SILENT

if TYPE_CHECKING:
    from torch import Tensor

    from normscope.deploy.onnx_folding import FoldedGraph
    from normscope.deploy.onnx_input import GraphInput


def compare_graphs(
    original: onnx.ModelProto, given: GraphInput, folded: FoldedGraph, images: Tensor
) -> Differences:
    """Run both by onnxruntime, on normalized and on raw pixels.

    The nodes behind the first layer are the same in both, so that its own outputs show an error
    which a saturated output would hide.

    Args:
        original: The model that was folded.
        given: Its input.
        folded: What came of it.
        images: uint8, shape ``(N, C, H, W)``.

    Returns:
        The differences.

    Raises:
        NormscopeError: If onnxruntime does not run the original on these images.
        WorkFailed: If they are more than rounding can explain.
    """
    wide = normalized(images.double() / 255, folded.normalization)
    expected = _run(original, given, folded.layer, wide.numpy())
    raw = as_taken(folded, images, torch.float64).numpy()
    found = _run(folded.model, folded.image, folded.layer, raw)
    first, spread = largest_and_spread(expected.pop(folded.layer), found[folded.layer])
    relative = first / spread if spread else first
    outputs = [
        largest_and_spread(values, found[name])
        for name, values in expected.items()
        if _comparable(values, found[name])
    ] or [(first, spread)]
    largest, beside = max(outputs, key=lambda pair: pair[0] / (pair[1] or 1.0))
    kinds = [t for t in (given.dtype, folded.weights) if np.issubdtype(t, np.floating)]
    differences = Differences(relative, largest, beside)
    differences.check(min(kinds, key=lambda dtype: dtype.itemsize).name, "graph")
    return differences


def open_session(model: str | bytes) -> Any:
    """What runs an ONNX model.

    Args:
        model: A path, or the file's content.

    Returns:
        A session on the CPU.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _run(
    model: onnx.ModelProto, given: GraphInput, layer: str, images: np.ndarray
) -> dict[str, np.ndarray]:
    """Every output and the first layer's, for images one batch after another."""
    names = [value.name for value in model.graph.output]
    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    if layer not in names:
        names.append(layer)
        tapped.graph.output.append(helper.make_empty_tensor_value_info(layer))
    size = given.shape[0] or len(images)
    parts: list[list[np.ndarray]] = []
    try:
        session = open_session(tapped.SerializeToString())
        for start in range(0, len(images), size):
            chunk = images[start : start + size]
            whole = np.concatenate([chunk, np.repeat(chunk[:1], size - len(chunk), 0)])
            found = session.run(names, {given.name: given.arranged(whole)})
            parts.append([np.asarray(values) for values in found])
    except Exception as error:  # noqa: BLE001 - onnxruntime's errors share no kind
        said = (str(error).splitlines() or ["an error"])[0]
        for before in (" : ", "Status Message: "):
            said = said.rpartition(before)[2]
        raise NormscopeError(
            f"onnxruntime must run the graph on images of shape {images.shape[1:]}, got: "
            f"{said.rstrip('.')}. Check that it runs, and give its --image-size and --channels."
        ) from None
    return {
        name: np.concatenate([np.atleast_1d(p[index]).ravel() for p in parts])
        for index, name in enumerate(names)
    }


def _comparable(expected: np.ndarray, found: np.ndarray) -> bool:
    # Boxes that pass a threshold may be more or fewer after rounding, and indices may jump.
    floats = np.issubdtype(expected.dtype, np.floating)
    return floats and expected.size > 0 and expected.shape == found.shape
