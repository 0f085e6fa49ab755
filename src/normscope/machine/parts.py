"""Work on parts side by side, one core for each."""

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
    """Do some work on each part, in threads if there are several parts.

    Args:
        work: It should release Python's lock most of the time, as torch and compiled passes do.
        parts: At most one for each core.

    Returns:
        What the work gave, in the order of the parts.
    """
    if len(parts) == 1:
        return [work(parts[0])]
    # MKL's number of threads is the process's; the pool's threads begin with torch's.
    with threads(1):
        return list(_pool(len(parts)).map(work, parts))


def shares(count: int) -> list[slice]:
    """Share things out among as many cores as torch may use.

    Args:
        count: How many things, at least 1.

    Returns:
        Nearly equal slices of them, at most one for each core.
    """
    import torch

    size = -(-count // torch.get_num_threads())
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


@cache
def _pool(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, "part")


# These threads do not exist in a fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
