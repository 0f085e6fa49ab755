"""Files that a user names, opened so that none can keep a reader waiting or fill the memory."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MOST_TEXT_BYTES = 2**26
"""A longer text is no specification and no plan."""


def is_special(path: str | Path) -> bool:
    """Whether a path names something that is neither a regular file nor a folder.

    Args:
        path: Of anything or nothing.

    Returns:
        Whether there is a pipe, a socket or a device.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def open_regular(path: str | Path) -> io.FileIO:
    """Open a file to read, if it is a regular one: a pipe or a device could keep a reader waiting.

    Args:
        path: Its path.

    Returns:
        The open file, unbuffered.

    Raises:
        OSError: If it cannot be read, or is no regular file.
    """
    # Not to wait for a pipe's writer, where the system knows that.
    at_once = getattr(os, "O_NONBLOCK", 0)
    file = io.FileIO(path, opener=lambda name, flags: os.open(name, flags | at_once))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file")
    return file


def read_text(path: str | Path) -> str:
    """The text of a small file.

    Args:
        path: Its path.

    Returns:
        What it holds.

    Raises:
        OSError: If it cannot be read, is no regular file or too large.
        UnicodeDecodeError: If it is no UTF-8.
    """
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > MOST_TEXT_BYTES:
            raise OSError(errno.EFBIG, f"a file of more than {MOST_TEXT_BYTES:,} bytes")
        return file.readall().decode("utf-8")


def digest(path: str | Path) -> str:
    """The SHA-256 of a file of any size.

    Args:
        path: Its path.

    Returns:
        64 hexadecimal digits.

    Raises:
        OSError: If it cannot be read or is no regular file.
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
