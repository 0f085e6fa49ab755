"""Parts of one piece of work side by side, each on one core."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from normscope.machine.cores import threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Part = TypeVar("Part")
    Result = TypeVar("Result")


def each(work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
    """Do some work on each part, in threads of its own if there are several.

    Args:
        work: Most of it must leave Python to others, as torch and compiled passes do.
        parts: As many as cores may be used.

    Returns:
        What the work gave, in the order of the parts.
    """
    if len(parts) == 1:
        return [work(parts[0])]
    # The library counts threads for the process as for its threads.
    with threads(1):
        return list(_pool(len(parts)).map(work, parts))


def shares(count: int) -> list[slice]:
    """As many parts of so many things as torch may use cores, nearly equal.

    Args:
        count: At least 1.

    Returns:
        Their places.
    """
    import torch

    size = -(-count // torch.get_num_threads())
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


@cache
def _pool(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, "part")


# A fork has none of these threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
