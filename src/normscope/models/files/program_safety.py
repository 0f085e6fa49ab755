"""Whether a ``.pt2`` program can be read without running anybody's code.

``torch.export.load`` unpickles what a file asks it to, loads compiled libraries out of it, resolves
the names of operators anywhere in torch, and hands expressions to ``sympy``, which evaluates them.
Everything in a file that could reach one of these is looked at first.
"""

from __future__ import annotations

import io
import json
import pickle
import re
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import torch

from normscope.errors import NormscopeError
from normscope.wording import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPERATORS = re.compile(
    r"torch\.ops\.(aten|prims|higher_order|quantized_decomposed|torchvision)\.\w+(\.\w+)?"
    r"|torch\.sym_\w+"
    r"|_operator\.(add|and_|eq|floordiv|ge|getitem|gt|le|lt|mod|mul|ne|neg|or_|pos|pow|sub|truediv)"
    r"|math\.\w+"
)
TOUCHES_FILES = re.compile(r"torch\.ops\.aten\.from_file\b.*")

NAME = re.compile(r"[A-Za-z_][\w.]*|")
"""Names become a part of Python code."""

WORDS = {
    "Add", "And", "CeilToInt", "CleanDiv", "Equality", "False", "Float", "FloatTrueDiv",
    "FloorDiv", "FloorToInt", "GreaterThan", "Identity", "Infinity", "IntTrueDiv", "Integer",
    "LShift", "LessThan", "Max", "Min", "Mod", "ModularIndexing", "Mul", "NegativeInfinity", "Not",
    "Or", "Pow", "PowByNatural", "PythonMod", "RShift", "Rational", "RoundToInt",
    "StrictGreaterThan", "StrictLessThan", "Symbol", "ToFloat", "True", "TruncToInt",
    "Unequality", "Where", "extended_real", "finite", "integer", "int_oo", "nonnegative",
    "positive", "precision", "real",
}  # fmt: skip
"""What torch writes of the lengths of axes, in sympy's own form."""

EXPRESSION = re.compile(r"[\w\s(),=<>!+*/'.-]*")
LONGEST_EXPRESSION = 2000
POWER = re.compile(r"\*\*|Pow")
MOST_POWERS = 4


def check_program(content: bytes, path: Path) -> None:
    """Refuse a program that could run code while it is read.

    Args:
        content: Of the file, an archive.
        path: The file, for errors.

    Raises:
        NormscopeError: If it could, or is cut.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            for name in names:
                _check_member(archive, name, path)
    except (zipfile.BadZipFile, ValueError, RecursionError, NotImplementedError, EOFError) as error:
        raise NormscopeError(
            f"{path} must be a whole .pt2 program, got: {first_line(error)}. Fetch it again."
        ) from None
    models = [name for name in names if _inner(name).startswith("models/")]
    if len(models) != 1 or len(set(names)) != len(names):
        raise NormscopeError(
            f"{path} must hold one program that torch 2.8 or later exported, got {len(models)}. "
            "Export it again."
        )


def _check_member(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    inner = _inner(name)
    if inner.startswith("data/aotinductor/"):
        raise _unsafe(path, f"the compiled library {name}", "without compiling it")
    if inner.startswith("models/"):
        for what, text in _strings(json.loads(archive.read(name))):
            _check_string(what, text, path)
    elif inner.startswith("data/sample_inputs/"):
        sample = archive.read(name)
        try:
            # As torch itself tries first; where that fails, it unpickles.
            if sample:
                torch.load(io.BytesIO(sample), map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError) as error:
            raise _unsafe(path, f"a pickle ({first_line(error)})", "with plain inputs") from None
    elif inner.startswith(("data/weights/", "data/constants/")):
        if inner.endswith(".json"):
            _check_payload(json.loads(archive.read(name)), path)
        elif inner.endswith(".pt"):
            raise _unsafe(path, f"the pickle {name}", "with a newer torch")


def _check_payload(payload: Any, path: Path) -> None:
    for name, entry in payload["config"].items():
        held = str(entry.get("path_name"))
        if entry.get("use_pickle") or not held.startswith(("weight_", "tensor_")):
            raise _unsafe(path, f"a pickle for {name}", "with plain tensors alone")


def _check_string(what: str, text: str, path: Path) -> None:
    if what == "target" and (not OPERATORS.fullmatch(text) or TOUCHES_FILES.fullmatch(text)):
        raise _unsafe(path, f"the operator {first_line(text)}", "with torch's own operators")
    if what in {"name", "as_name"} and not NAME.fullmatch(text):
        raise _unsafe(path, f"the name {first_line(text)!r}", "with plain names")
    if what == "expr_str":
        words = re.findall(r"[A-Za-z_]\w*", text)
        plain = all(word in WORDS or re.fullmatch(r"z?[suf]+\d+", word) for word in words)
        if not (
            plain
            and EXPRESSION.fullmatch(text)
            and len(text) <= LONGEST_EXPRESSION
            and len(POWER.findall(text)) <= MOST_POWERS
        ):
            raise _unsafe(path, f"the length {first_line(text)!r}", "with plain lengths")


def _strings(value: Any, what: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield what, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key != "metadata":
                yield from _strings(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, what)


def _inner(name: str) -> str:
    """A member's name without the folder that torch puts around all."""
    return PurePosixPath(name).as_posix().partition("/")[2]


def _unsafe(path: Path, met: str, advice: str) -> NormscopeError:
    return NormscopeError(
        f"{path} must be read without running code of others, got {met}. Export it {advice}."
    )
