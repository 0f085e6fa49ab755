"""Memory that the C library keeps."""

from __future__ import annotations

LARGEST_KEPT = (32 << 20) - (8 << 10)
"""Just under the largest block that glibc's allocator learns to keep (mallopt(3), M_MMAP_THRESHOLD:
at most 32 MiB on 64-bit machines)."""


def keep_freed_memory() -> None:
    """Let the C library hand out again what a step freed, rather than return it to the system.

    Temporaries of a few megabytes are by default given back when freed, and every page of the
    next ones is faulted in and cleared anew. glibc keeps blocks up to the size of the largest that
    it has ever seen freed, so freeing one large block teaches it. Where the library is another,
    this does nothing.
    """
    import torch

    torch.empty(LARGEST_KEPT, dtype=torch.uint8)
