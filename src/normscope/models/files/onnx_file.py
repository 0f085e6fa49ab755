"""An ONNX file, read without trusting what it claims."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import MissingExtra, NormscopeError
from normscope.models.files.checked_tensors import EXTERNAL, check_tensors, tensors
from normscope.models.files.regular_file import check_regular
from normscope.wording import first_line

if TYPE_CHECKING:
    import onnx

LARGEST_GRAPH = 2**31 - 1
"""Bytes of a file, as protobuf's own limit is."""


def read_graph(path: str | Path, *, weights: bool = True) -> onnx.ModelProto:
    """Read an ONNX file, checked.

    Args:
        path: The file; its weights may lie beside it, in its own folder and not elsewhere.
        weights: Whether those are read too.

    Returns:
        The model as ``onnx`` has it.

    Raises:
        MissingExtra: If ``onnx`` or ``onnxruntime`` is not installed.
        NormscopeError: If the file is too large, cut, wrong, or claims more than it holds.
    """
    path = Path(path)
    size = check_regular(path)
    require_onnx(path, "onnx", "onnxruntime")
    if size > LARGEST_GRAPH:
        raise NormscopeError(
            f"{path} must have at most {LARGEST_GRAPH:,} bytes, as ONNX does, got {size:,}. "
            "Export it with its weights beside it."
        )
    return _read(path, weights)


def _read(path: Path, weights: bool) -> onnx.ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
        raise _no_onnx(path, error) from None
    if not model.graph.node:
        raise _no_onnx(path, "no node in it")
    check_tensors(model, path)
    try:
        if weights and any(t.data_location == EXTERNAL for t in tensors(model.graph)):
            onnx.load_external_data_for_model(model, str(path.parent))
        # By its path, since one of more than 2 GB has no single message.
        onnx.checker.check_model(str(path))
    except (onnx.checker.ValidationError, ValueError, OSError, DecodeError) as error:
        raise _no_onnx(path, error) from None
    return model


def require_onnx(path: Path, *modules: str) -> None:
    """Refuse an ONNX file where a library for it is missing.

    Args:
        path: The file.
        modules: The libraries.

    Raises:
        MissingExtra: If one is not installed.
    """
    for module in modules:
        try:
            import_module(module)
        except ImportError:
            raise MissingExtra(module, str(path)) from None


def _no_onnx(path: Path, met: object) -> NormscopeError:
    return NormscopeError(
        f"{path} must be a whole ONNX file, got: {first_line(met)}. Fetch or export it again."
    )
