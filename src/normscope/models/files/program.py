"""A program of ``torch.export`` (``.pt2``) as a network, read without unpickling anything."""

from __future__ import annotations

import io
import logging
import math
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from normscope.errors import NormscopeError
from normscope.models.copying import copied
from normscope.models.files.archive import check_archive
from normscope.models.files.image_input import ImageInput, check_floats, one_input, one_output
from normscope.models.files.program_network import ProgramNetwork
from normscope.models.files.program_safety import check_program
from normscope.quiet import without_warnings
from normscope.wording import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


SOME_IMAGES = 8
"""So many are given at once to a program that does not take any number."""


def read_program(path: Path) -> ProgramNetwork:
    """Read a program that ``torch.export.save`` wrote.

    Args:
        path: The file.

    Returns:
        The network.

    Raises:
        NormscopeError: If it cannot be read safely, or does not take one batch of images.
    """
    return program_with_lengths(path)[0]


def program_with_lengths(path: Path) -> tuple[ProgramNetwork, dict[int, tuple[int, float]]]:
    """Read such a program, and what lengths its input may have.

    Args:
        path: The file.

    Returns:
        The network, and the least and the largest length of each axis that has no fixed one.

    Raises:
        NormscopeError: Likewise.
    """
    check_archive(path)
    # What was checked is what is read.
    content = path.read_bytes()
    check_program(content, path)
    with silent_export():
        try:
            program = torch.export.load(io.BytesIO(content))
        except Exception as error:  # noqa: BLE001 - torch's reader fails in any way
            raise NormscopeError(
                f"{path} must be a .pt2 program that this torch ({torch.__version__}) reads, got: "
                f"{first_line(error)}. Export it again."
            ) from None
        return _network(program, path)


def exported_network(program: Any, name: str) -> ProgramNetwork:
    """A network of a program that a Python caller has.

    Args:
        program: Of ``torch.export``, or the module of one.
        name: What it is called in errors.

    Returns:
        The network, whose weights are its own.

    Raises:
        NormscopeError: If it does not take one batch of images.
    """
    with silent_export():
        if isinstance(program, torch.export.ExportedProgram):
            return copied(_network(program, name)[0])
        nodes = program.graph.find_nodes(op="placeholder")
        one_input(name, [node.name for node in nodes])
        given, value = _described(nodes[0], name)
        return copied(ProgramNetwork(program, name, given, value.dtype))


def _network(program: Any, path: Path | str) -> tuple[ProgramNetwork, dict[int, tuple[int, float]]]:
    given, value = _input(program, path)
    lengths = {
        axis: _bounds(length, program.range_constraints)
        for axis, length in enumerate(value.shape) if type(length) is not int
    }  # fmt: skip
    least, most = lengths.get(0, (1, math.inf))
    if least > 2 or most < math.inf:  # torch itself does not hold programs to 2 images
        given = replace(given, batch=int(min(most, max(least, SOME_IMAGES))))
    # Guards are Python code in the file.
    module = program.module(check_guards=False)
    return ProgramNetwork(module, path, given, value.dtype), lengths


def _bounds(length: Any, constraints: Any) -> tuple[int, float]:
    found = constraints.get(length.node.expr)
    return (1, math.inf) if found is None else (max(1, int(found.lower)), float(found.upper))


def _input(program: Any, path: Path | str) -> tuple[ImageInput, torch.Tensor]:
    signature = program.graph_signature
    name = one_input(path, list(signature.user_inputs))
    one_output(path, [str(output) for output in signature.user_outputs])
    nodes = program.graph.find_nodes(op="placeholder")
    return _described(next(node for node in nodes if node.name == name), path)


def _described(node: torch.fx.Node, path: Path | str) -> tuple[ImageInput, torch.Tensor]:
    value, name = node.meta.get("val"), node.name
    if not isinstance(value, torch.Tensor):
        raise NormscopeError(
            f"{path} must have one input, a batch of images, got {name} of "
            f"{type(value).__name__}. Export the part of it that takes images alone."
        )
    check_floats(path, name, str(value.dtype).removeprefix("torch."))
    return ImageInput.of(path, name, [_length(n) for n in value.shape]), value


def _length(length: object) -> object:
    # A SymInt is an int by name alone.
    return length if type(length) is int else None


@contextmanager
def silent_export() -> Iterator[None]:
    """Keep torch.export's warnings to itself."""
    loggers = [logging.getLogger(name) for name in ("torch.export", "torch._export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with without_warnings():
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
