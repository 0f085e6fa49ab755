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
    """Whether passes can be compiled; a numba that cannot be imported is reported once."""
    try:
        import numba  # noqa: F401
    except ModuleNotFoundError:
        return False
    except Exception as error:  # noqa: BLE001 - an installation may be broken in any way
        warnings.warn(
            f"numba must be importable, got {str(error).rstrip('.')}. Install another version; "
            "trainings take longer without it.",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    return True


def compiled(function: Pass, *, any_order: bool = False) -> Pass:
    """Compile a pass when it is first used, and keep it on disk.

    Args:
        function: Reads and writes arrays. Variables around it are compiled in as constants.
        any_order: Whether the terms of a sum may be added in another order.

    Returns:
        The compiled pass, which releases Python's lock.
    """
    from numba import njit

    # A product and a sum may become one instruction, and the sign of zero does not matter.
    fast = {"contract", "nsz"} | ({"reassoc"} if any_order else set())
    rules: dict[str, Any] = {"error_model": "numpy", "fastmath": fast}
    anew: Any = njit(nogil=True, **rules)(function)
    try:
        current: Any = njit(nogil=True, cache=True, **rules)(function)
    except RuntimeError:  # numba may write neither beside this package nor into the home folder
        return anew

    @wraps(function)
    def run(*arguments: Any) -> None:
        nonlocal current
        try:
            current(*arguments)
        except Exception as error:  # a damaged file or a full disk
            if current is anew:
                raise
            warnings.warn(
                "compiled passes must be whole on disk, with room for more, got "
                f"{type(error).__name__}: {str(error).rstrip('.')}. "
                f"Delete {current.stats.cache_path}.",
                RuntimeWarning,
                stacklevel=2,
            )
            current = anew
            current(*arguments)

    return cast("Pass", run)


def inlined(function: Part) -> Part:
    """Mark a part of passes, which is compiled into each of them as if it were written there.

    The compiler then knows more about its indices, for example that none is negative.

    Args:
        function: Called by passes only.

    Returns:
        The part.
    """
    from numba import njit

    return cast("Part", njit(inline="always")(function))
