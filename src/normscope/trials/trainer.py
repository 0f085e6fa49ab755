"""The trainers by name, and which of them is worth its time."""

from __future__ import annotations

import importlib.util
import os
import shutil

from normscope.errors import NormscopeError, UnknownName

TRAINERS = ("fast", "plain", "compiled")

WORTH_COMPILING = 20_000
"""Tests of an image, of which compiling takes the time of some thousands."""


def resolve_trainer(trainer: str, *, trains: bool = True) -> str:
    """The trainer of a name.

    Args:
        trainer: ``"fast"`` or ``"plain"``, or ``"compiled"`` where nothing is trained.
        trains: Whether anything is trained.

    Returns:
        The same.

    Raises:
        UnknownName: If the name is unknown.
        NormscopeError: If it cannot do what is asked.
    """
    if trainer not in TRAINERS:
        raise UnknownName("--trainer", trainer, TRAINERS)
    if trainer == "compiled" and trains:
        raise NormscopeError(
            "--trainer compiled must be used with --recipe frozen, got a recipe that trains. "
            "Use --trainer fast."
        )
    return trainer


def scanning_trainer(trainer: str, device: str, tests: int) -> str:
    """The trainer of many tests of one frozen network: compiled where that is worth its time.

    Compiling takes as long as testing some thousand images, and afterwards a test takes about half
    as long.

    Args:
        trainer: What the user asked for.
        device: Where it runs.
        tests: How many images are tested in all.

    Returns:
        ``"compiled"`` in place of ``"fast"``, where there are enough tests and a compiler.
    """
    worth = trainer == "fast" and tests >= WORTH_COMPILING
    return "compiled" if worth and can_compile(device) else trainer


def can_compile(device: str) -> bool:
    """Whether torch's compiler has what it needs.

    Args:
        device: ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Returns:
        True with a C++ compiler on a CPU, and with Triton on a CUDA device.
    """
    if device == "cpu":
        return shutil.which(os.environ.get("CXX", "g++")) is not None
    return device == "cuda" and importlib.util.find_spec("triton") is not None
