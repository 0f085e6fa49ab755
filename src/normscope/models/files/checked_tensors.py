"""What the tensors of an ONNX graph claim, held against the bytes that are there."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 2**32
"""Bytes of weights beside a graph, and elements of a tensor that a graph makes from a constant."""

EXTERNAL = 1
"""``TensorProto.EXTERNAL``."""

PACKED = {"INT2", "UINT2", "INT4", "UINT4", "FLOAT4E2M1"}
"""Types of which several numbers share a byte; their length is left to onnxruntime."""

DEEPEST = 32
"""Graphs within graphs (the branches of ``If`` and ``Loop``)."""


def check_tensors(model: Any, path: Path) -> None:
    """Refuse tensors larger than what is stored, and weights outside the file's own folder.

    Args:
        model: A ``ModelProto`` without its external data.
        path: The file.

    Raises:
        NormscopeError: If a tensor does not hold what it claims, or points elsewhere.
    """
    beside = sum(_check_tensor(tensor, path) for tensor in tensors(model.graph))
    if beside > LARGEST:
        raise NormscopeError(
            f"the weights beside {path} must have at most {LARGEST:,} bytes, got {beside:,}. "
            "Take a smaller model."
        )
    _check_made(model.graph, path)


def _check_tensor(tensor: Any, path: Path) -> int:
    """Check one, and say how many of its bytes lie beside the file."""
    shape = tuple(tensor.dims)
    if any(length < 0 for length in shape):
        raise _wrong(path, f"{tensor.name} of shape {shape}")
    if tensor.data_location == EXTERNAL:
        return _external_bytes(tensor, path)
    met = None
    if tensor.HasField("raw_data"):
        needed = _bytes_needed(tensor)
        if needed is not None and len(tensor.raw_data) != needed:
            met = f"{len(tensor.raw_data)} bytes in place of {needed}"
    # Of half a byte at least each where they are stored one by one.
    elif math.prod(shape) > 2 * tensor.ByteSize() + 1:
        met = f"{tensor.ByteSize()} bytes"
    if met is not None:
        raise _wrong(path, f"{tensor.name} of shape {shape} with {met}")
    return 0


def tensors(graph: Any, depth: int = 0) -> Iterator[Any]:
    """Every tensor that a graph holds, those of graphs inside it too.

    Args:
        graph: A ``GraphProto``.
        depth: How many graphs it lies in.

    Yields:
        ``TensorProto``s.

    Raises:
        NormscopeError: If graphs are nested beyond reason.
    """
    if depth > DEEPEST:
        raise NormscopeError(
            f"an ONNX graph must nest at most {DEEPEST} graphs, got more. Export it again."
        )
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in (*[attribute.g] * attribute.HasField("g"), *attribute.graphs):
                yield from tensors(inner, depth + 1)


def _bytes_needed(tensor: Any) -> int | None:
    import onnx

    try:
        itemsize = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (KeyError, TypeError, ValueError):
        return None
    if onnx.TensorProto.DataType.Name(tensor.data_type) in PACKED:
        return None
    return itemsize * math.prod(tensor.dims)


def _external_bytes(tensor: Any, path: Path) -> int:
    said = {entry.key: entry.value for entry in tensor.external_data}
    folder = path.parent.resolve()
    location = said.get("location", "")
    beside = (folder / location).resolve()
    if not location or not beside.is_relative_to(folder) or Path(location).is_absolute():
        raise NormscopeError(
            f"the weights of {path} must lie in its own folder, got '{location}' for "
            f"{tensor.name}. Put the file of weights beside it and export it again."
        )
    if not beside.is_file():
        raise NormscopeError(
            f"the weights of {path} must lie beside it, got no file {location}. Fetch it too."
        )
    try:
        offset, length = int(said.get("offset", 0)), int(said.get("length", -1))
    except ValueError:
        raise _wrong(path, f"{tensor.name} with an offset that is no number") from None
    size = beside.stat().st_size
    length = size - offset if length < 0 else length
    needed = _bytes_needed(tensor)
    if not 0 <= offset <= size - length or (needed is not None and length != needed):
        raise _wrong(
            path,
            f"{tensor.name} of shape {tuple(tensor.dims)} at bytes {offset} to "
            f"{offset + length} of {location}, which has {size}",
        )
    return length


def _check_made(graph: Any, path: Path) -> None:
    """Refuse what a graph would fill memory with: a constant shape and nothing behind it."""
    import onnx

    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    constants[node.output[0]] = attribute.t
    for node in graph.node:
        shapes = [name for name in node.input if name in constants]
        if node.op_type not in {"ConstantOfShape", "Expand", "Tile"} or not shapes:
            continue
        shape = constants[shapes[-1]]
        if shape.data_location == EXTERNAL:
            continue
        made = math.prod(max(1, int(n)) for n in onnx.numpy_helper.to_array(shape).ravel())
        if made > LARGEST:
            raise NormscopeError(
                f"{path} must make tensors of at most {LARGEST:,} numbers, got {made:,} from "
                f"{node.op_type} {node.output[0]}. Fetch the file from its source again."
            )


def _wrong(path: Path, met: str) -> NormscopeError:
    return NormscopeError(f"{path} must be a whole ONNX file, got {met}. Fetch it again.")
