"""A TorchScript file as a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from normscope.errors import NormscopeError
from normscope.machine.without_compiler import import_torchvision
from normscope.models.files.archive import check_archive
from normscope.models.files.image_input import TAKES, check_floats, one_input
from normscope.models.files.program_network import ProgramNetwork
from normscope.quiet import without_warnings
from normscope.wording import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOUCHES_FILES = {"aten::save", "aten::from_file"}
"""Operators by which a program could write or read a file."""


OWN_SPACES = {"aten", "prim", "prims", "quantized", "torchvision"}


def read_torchscript(path: Path) -> ProgramNetwork:
    """Read a TorchScript file.

    Its code is TorchScript's own, not Python's, and may use torch's operators alone, without those
    that touch files.

    Args:
        path: The file.

    Returns:
        The network, in evaluation mode.

    Raises:
        NormscopeError: If it cannot be read, uses other operators or takes no images.
    """
    check_archive(path)
    import_torchvision()  # brings its operators, such as nms

    beside = {TAKES: b""}
    with without_warnings():
        # torch.jit is deprecated; the file is there all the same.
        try:
            script = torch.jit.load(str(path), map_location="cpu", _extra_files=beside).eval()
            operators = set(_operators(script.inlined_graph))
        except (RuntimeError, ValueError, OSError, AttributeError) as error:
            raise NormscopeError(
                f"{path} must be a TorchScript file that torch reads, got: {_reason(error)}. "
                "Export it again."
            ) from None
    foreign = sorted(
        name for name in operators
        if name in TOUCHES_FILES or name.partition("::")[0] not in OWN_SPACES
    )  # fmt: skip
    if foreign:
        raise NormscopeError(
            f"{path} must use operators of torch that touch no files, got {foreign[0]}. "
            "Export it without."
        )
    arguments = script.forward.schema.arguments[1:]
    needed = [one for one in arguments if not one.has_default_value()]
    one_input(path, [one.name for one in needed or arguments])
    first = (needed or arguments)[0]
    if str(first.type) != "Tensor":
        check_floats(path, first.name, str(first.type))
    if beside[TAKES]:
        check_floats(path, first.name, bytes(beside[TAKES]).decode(errors="replace"))
    return ProgramNetwork(script, path)


def _operators(graph: Any) -> Iterator[str]:
    for node in graph.nodes():
        yield node.kind()
        for block in node.blocks():
            yield from _operators(block)


def _reason(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return first_line(lines[-1] if "Unknown builtin op" not in str(error) else error)
