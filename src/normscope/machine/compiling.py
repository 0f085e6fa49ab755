"""Passes over arrays compiled by numba, where it is installed (the extra ``fast``)."""

from __future__ import annotations

import warnings
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

Pass = TypeVar("Pass", bound="Callable[..., None]")
Part = TypeVar("Part", bound="Callable[..., Any]")


@cache
def has_numba() -> bool:
    """Whether passes can be compiled; a numba that does not fit NumPy is told of once."""
    try:
        import numba  # noqa: F401
    except ModuleNotFoundError:
        return False
    except Exception as error:  # noqa: BLE001 - an installation may be broken in any way
        warnings.warn(f"numba is left out: {error}", RuntimeWarning, stacklevel=2)
        return False
    return True


def compiled(function: Pass) -> Pass:
    """Compile a pass with its first use; what is compiled is kept on disk.

    Args:
        function: It reads and writes arrays; distances known beforehand are its outer variables.

    Returns:
        The compiled pass, beside which other threads of Python run.
    """
    from numba import njit

    # Products and sums may become one instruction, which rounds once.
    rules: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract", "nsz"}}
    anew: Any = njit(nogil=True, **rules)(function)
    try:
        current: Any = njit(nogil=True, cache=True, **rules)(function)
    except RuntimeError:  # neither beside this package nor at home is there a folder to write to
        return anew

    @wraps(function)
    def run(*arguments: Any) -> None:
        nonlocal current
        try:
            current(*arguments)
        except Exception as error:  # of damaged files, or of a full disk
            if current is anew:
                raise
            warnings.warn(
                "compiled passes must be kept on disk and be whole there, got "
                f"{type(error).__name__}: {error}. Delete {current.stats.cache_path}.",
                RuntimeWarning,
                stacklevel=2,
            )
            current = anew
            current(*arguments)

    return cast("Pass", run)


def inlined(function: Part) -> Part:
    """Mark a part of passes, compiled with each of them as if it were written there.

    So the compiler knows as much of its indices, for example that none is negative.

    Args:
        function: Called by passes alone.

    Returns:
        The part.
    """
    from numba import njit

    return cast("Part", njit(inline="always")(function))
