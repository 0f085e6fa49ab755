"""Files under a name that is not yet theirs, which a killed process leaves and the next removes."""

from __future__ import annotations

import atexit
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing tells there whether a file is still being written
    fcntl = None

MARK = "normscope-"
NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
OURS = re.compile(rf"\..+\.{MARK}[a-z0-9_]{{8}}(\.\w+)?")
"""The names that ``begun_file`` gives, and nobody else."""

_looked_at: set[Path] = set()
"""Folders, each looked at once: a run may write thousands of files into one."""

_begun: dict[Path, int] = {}
"""Files that are not ended, and by which process: an interruption may arrive before whoever asked
for one knows its name. They are removed as the process ends."""


def begun_file(path: Path) -> tuple[int | None, Path]:
    """Begin a file beside the one that it will become.

    It is locked until it is closed, so that no other process takes it for a leftover; the system
    frees the lock of a process that is killed. Leftovers of such processes in the same folder are
    removed, once for each folder.

    Args:
        path: What it will be called.

    Returns:
        The open file and its name until then, both for ``end_file``. Where there are no locks it
        is closed already: Windows renames no open file.

    Raises:
        OSError: If nothing can be written there.
    """
    folder = path.parent.resolve()
    if folder not in _looked_at:
        _looked_at.add(folder)
        remove_leftovers(folder)
    while True:
        name = path.with_name(f".{path.name}.{MARK}{os.urandom(4).hex()}{path.suffix}")
        _begun[name] = os.getpid()
        try:
            handle = _open_new(name)
        except OSError as error:
            del _begun[name]
            if isinstance(error, FileExistsError):
                continue
            raise
        locked = _lock(handle)
        if locked and name.exists():
            return handle, name
        os.close(handle)
        if locked is None:
            return None, name
        del _begun[name]
        # Another process took it for a leftover before it was locked.


def _open_new(name: Path) -> int:
    return os.open(name, NEW, 0o600)


def end_file(handle: int | None, name: Path) -> None:
    """Close a file that was begun, and remove it unless it has been renamed.

    Args:
        handle: As ``begun_file`` gave it.
        name: Likewise.
    """
    name.unlink(missing_ok=True)
    if handle is not None:
        os.close(handle)
    _begun.pop(name, None)


@atexit.register
def remove_begun() -> None:
    """Remove what this process has begun and not ended."""
    while _begun:
        name, process = _begun.popitem()
        with suppress(OSError):
            if process == os.getpid():  # and not a fork of it
                name.unlink()


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
