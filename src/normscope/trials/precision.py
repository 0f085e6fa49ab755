"""What trials are computed in, and what this machine computes quickly."""

from __future__ import annotations

import importlib.util
import os
import shutil
from typing import Any

from normscope.errors import NormscopeError, UnknownName

PRECISIONS = ("auto", "fp32", "bf16")
TRAINERS = ("fast", "plain", "compiled")

WORTH_COMPILING = 20_000
"""Tests of an image, of which compiling takes the time of some thousands."""

BF16_VECTORS, BF16_TILES = "avx512_bf16", "amx_bf16"

WITHOUT_BF16 = (
    "SSE41",
    "AVX",
    "AVX2",
    "AVX2_VNNI",
    "AVX2_VNNI_2",
    "AVX512_CORE",
    "AVX512_CORE_VNNI",
)
"""Values of oneDNN's ``ONEDNN_MAX_CPU_ISA`` that keep it from instructions for bf16
(https://uxlfoundation.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html)."""

WITHOUT_TILES = (*WITHOUT_BF16, "AVX512_CORE_BF16", "AVX512_CORE_FP16", "AVX10_1_512")
"""Those that leave bf16 in vectors at most, without AMX's tiles."""


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


def resolve_precision(
    precision: str, device: str = "cpu", trainer: str = "fast", *, trains: bool = True
) -> str:
    """The precision that trials are computed in.

    Args:
        precision: ``"auto"``, ``"fp32"`` or ``"bf16"``.
        device: ``"cpu"``, ``"cuda"`` or ``"mps"``.
        trainer: ``"fast"`` or ``"plain"``.
        trains: Whether anything is trained.

    Returns:
        ``"fp32"`` or ``"bf16"``; ``"auto"`` is bf16 where the device has instructions for it. To
        test a frozen network on a processor it takes AMX: with vectors alone fp32 is as fast.

    Raises:
        UnknownName: If the name is unknown.
        NormscopeError: If the plain trainer is asked for bf16.
    """
    if precision not in PRECISIONS:
        raise UnknownName("--precision", precision, PRECISIONS)
    if trainer == "plain":
        if precision == "bf16":
            raise NormscopeError(
                "--trainer plain must be given --precision fp32 or auto, got bf16. "
                "Use --trainer fast."
            )
        return "fp32"
    if precision == "auto":
        return "bf16" if computes_bf16(device, tiles=not trains) else "fp32"
    return precision


def computes_bf16(device: str, *, tiles: bool = False) -> bool:
    """Whether a device has instructions for bf16, rather than emulating it.

    Args:
        device: ``"cpu"``, ``"cuda"`` or ``"mps"``.
        tiles: Whether a processor must have AMX's, which multiply whole tiles.

    Returns:
        False where that cannot be told.
    """
    import torch

    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device != "cpu":
        return False
    found = _cpu_capabilities()
    names = (BF16_TILES,) if tiles else (BF16_TILES, BF16_VECTORS)
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or ""
    kept_from = WITHOUT_TILES if tiles else WITHOUT_BF16
    return limit.upper() not in kept_from and any(found.get(name) for name in names)


def _cpu_capabilities() -> dict[str, Any]:
    import torch

    found = getattr(torch.cpu, "get_capabilities", None)
    return dict(found()) if found else {}
