"""Other processes, as Linux tells of them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def wait_until(happens: Callable[[], bool], seconds: float = 60) -> None:
    """Look again and again until something has happened."""
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def children(parent: int) -> list[int]:
    """The processes that a process has started, by the kernel's own list."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        fields = _status(int(folder.name))
        if fields and int(fields[1]) == parent:
            found.append(int(folder.name))
    return found


def is_running(process: int) -> bool:
    fields = _status(process)
    return bool(fields) and fields[0] != "Z"


def workers_that_train(study: int) -> list[int]:
    """The two workers of a study's process, which are its forks, once both train."""
    wait_until(lambda: sum(_seconds_computed(child) > 0.3 for child in children(study)) == 2)
    return children(study)


def _seconds_computed(process: int) -> float:
    """What a fork begins to count anew."""
    fields = _status(process)
    return int(fields[11]) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _status(process: int) -> list[str]:
    """What stands behind the program's name, from the state on; empty if there is no process."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []
