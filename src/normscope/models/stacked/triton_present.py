"""Whether Triton's compiler is there to be used."""

from __future__ import annotations

import importlib.util
from functools import cache


@cache
def has_triton() -> bool:
    """Whether the package is installed; torch's CUDA wheels for Linux bring it.

    Returns:
        True where kernels of our own can be compiled.
    """
    return importlib.util.find_spec("triton") is not None
