"""The cores at this process's disposal, and computing with so many of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


CACHED_PIXELS = 8 * 224 * 224
"""Networks are quickest with about this many pixels at a time on a CPU: the system maps the larger
buffers that more of them need anew each time (SqueezeNet's images take 1.4 times as long, those of
ResNet-20 1.8 times)."""


def images_together(height: int, width: int, most: int, at_once: int = 1) -> int:
    """How many images a network is best shown at a time on a CPU.

    Args:
        height: Of an image in pixels.
        width: Likewise.
        most: The largest number wanted.
        at_once: How many threads each show it so many. Two are quickest with half as many each;
            more have not been measured, and get that too.

    Returns:
        A power of two, or ``most`` if that is smaller.
    """
    fitting = max(1, CACHED_PIXELS // (min(at_once, 2) * height * width))
    return min(most, 2 ** (fitting.bit_length() - 1))


def available_cores() -> int:
    """How many cores this process may use, by its affinity and its container's quota."""
    from joblib import cpu_count

    return cpu_count()


def usable_threads() -> int:
    """How many threads torch should use: one for each core, unless it was told to use fewer."""
    import torch

    return min(available_cores(), torch.get_num_threads())


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


@contextmanager
def workers(count: int, torch_threads: int = 1) -> Iterator[ThreadPoolExecutor]:
    """Threads in each of which torch uses some threads of its own.

    Args:
        count: How many workers.
        torch_threads: How many of torch's each of them may use.

    Yields:
        Their pool. When the block ends, work that has not begun is cancelled.
    """
    import torch

    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, "normscope", _limit, (torch_threads,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)  # later threads would begin with what a worker set


def _limit(torch_threads: int) -> None:
    import torch

    # A thread's first computation takes the number that was set last, in whatever thread: another
    # pool that ends in between would change it, and with it the last digits of sums.
    torch.get_num_threads()
    torch.set_num_threads(torch_threads)
