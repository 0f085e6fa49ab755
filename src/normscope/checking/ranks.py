"""Processes that train one network together: what one has said, the others need not repeat."""

from __future__ import annotations

import re
import sys
from collections import Counter

NUMBERS = re.compile(r"-?\d[\d.e+-]*")
"""Each process has images of its own, whose values differ."""

_SAID: Counter[str] = Counter()


def said_elsewhere(sentence: str) -> bool:
    """Whether another process of the same training has said this as often as here, or will.

    Torch's store, by which its processes have found each other, counts who says it. No process
    waits for another.

    Args:
        sentence: Alike but for its numbers counts as the same.

    Returns:
        False where no others train with this process, or that cannot be told.
    """
    torch = sys.modules.get("torch.distributed")
    try:
        if torch is None or torch.get_world_size() < 2:
            return False
        kind = NUMBERS.sub("", sentence)
        _SAID[kind] += 1
        store = torch.distributed_c10d._get_default_store()
        return store.add(f"normscope {_SAID[kind]}: {kind}", 1) > 1
    except Exception:  # noqa: BLE001 - as where there is no group, or it has ended
        return False
