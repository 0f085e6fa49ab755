"""Files under a name that is not yet theirs, which a killed process leaves and the next removes."""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing tells there whether a file is still being written
    fcntl = None

MARK = "normscope-"
OURS = re.compile(rf"\..+\.{MARK}[a-z0-9_]{{8}}(\.\w+)?")
"""The names that ``begun_file`` gives, and nobody else."""

_looked_at: set[Path] = set()
"""Folders, each looked at once: a run may write thousands of files into one."""


def begun_file(path: Path) -> tuple[int | None, Path]:
    """Begin a file beside the one that it will become.

    It is locked until it is closed, so that no other process takes it for a leftover; the system
    frees the lock of a process that is killed. Leftovers of such processes in the same folder are
    removed, once for each folder.

    Args:
        path: What it will be called.

    Returns:
        The open file, to be closed when all is written, and its name until then. Where there are
        no locks it is closed already: Windows renames no open file.
    """
    folder = path.parent.resolve()
    if folder not in _looked_at:
        _looked_at.add(folder)
        remove_leftovers(folder)
    while True:
        handle, name = tempfile.mkstemp(
            prefix=f".{path.name}.{MARK}", suffix=path.suffix, dir=path.parent
        )
        locked = _lock(handle)
        if locked and os.path.exists(name):  # noqa: PTH110
            return handle, Path(name)
        os.close(handle)
        if locked is None:
            return None, Path(name)
        # Else another process took it for a leftover before it was locked.


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes were writing in a folder.

    Args:
        folder: Any; names that are not ours and files that are being written are left alone.
    """
    with suppress(OSError):  # of a folder that cannot be listed nothing can be removed
        for entry in os.scandir(folder):
            if OURS.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                _remove_if_left(entry.path)


def _remove_if_left(name: str) -> None:
    with suppress(OSError):  # removed by another process just now, or not ours to remove
        handle = os.open(name, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        try:
            if _lock(handle):
                os.unlink(name)  # noqa: PTH108
        finally:
            os.close(handle)


def _lock(handle: int) -> bool | None:
    """Lock an open file, if no process has; None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
