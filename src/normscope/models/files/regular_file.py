"""What every file of a model must be, before a library opens it."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from pathlib import Path


def check_regular(path: Path) -> int:
    """Refuse what is no readable file, such as a pipe, which would never end.

    Args:
        path: Given as a model.

    Returns:
        Its size in bytes.

    Raises:
        NormscopeError: If it is none.
    """
    try:
        found = path.stat()
        if stat.S_ISREG(found.st_mode):
            path.open("rb").close()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise NormscopeError(
            f"a model's file must be readable, got {path}: {why}. Check the path."
        ) from None
    if not stat.S_ISREG(found.st_mode):
        raise NormscopeError(f"a model's file must be a regular file, got {path}. Check the path.")
    if found.st_size == 0:
        raise NormscopeError(
            f"a model's file must hold a model, got {path}, which is empty. Fetch it again."
        )
    return found.st_size
