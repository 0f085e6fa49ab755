"""The devices of this machine, and the precision in which each computes quickly."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16")

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


def resolve_device(device: str) -> str:
    """The device that a name stands for on this machine.

    Args:
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Returns:
        ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Raises:
        UnknownName: If the name is unknown.
        NormscopeError: If the machine has no such device.
    """
    import torch

    if device not in DEVICES:
        raise UnknownName("--device", device, DEVICES)
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        return next(name for name, there in present.items() if there)
    if not present[device]:
        raise NormscopeError(
            f"--device {device} must be present and supported by the installed torch, got neither "
            "here. Use --device auto."
        )
    return device


def wide_dtype(device: str | torch.device) -> torch.dtype:
    """The widest floating point that a device adds in.

    Args:
        device: ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Returns:
        float64, or float32 on Apple's GPUs, which have nothing wider.
    """
    import torch

    return torch.float32 if torch.device(device).type == "mps" else torch.float64


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


@contextmanager
def without_tf32() -> Iterator[None]:
    """Let a GPU convolve fp32 with all its bits for a while, rather than with ten of 23 as TF32.

    Yields:
        Nothing; afterwards convolutions are as torch or its user had them.
    """
    import torch

    convolutions = torch.backends.cudnn.conv  # pyright: ignore[reportAttributeAccessIssue]
    before = convolutions.fp32_precision
    convolutions.fp32_precision = "ieee"
    try:
        yield
    finally:
        convolutions.fp32_precision = before


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
