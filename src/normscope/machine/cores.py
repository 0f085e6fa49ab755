"""The cores at this process's disposal, and computing with so many of them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def available_cores() -> int:
    """How many cores this process may use, by its affinity and its container's quota."""
    from joblib import cpu_count

    return cpu_count()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch compute with so many CPU threads for a while.

    Args:
        count: At least 1.

    Yields:
        Nothing; afterwards the number is as it was before.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
