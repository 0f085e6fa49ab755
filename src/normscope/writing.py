"""Files that are whole or not there at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file under a temporary name beside it, and rename it once it is whole.

    Args:
        path: What the file is to be called; an older one is replaced in one step.

    Yields:
        Where to write. If the block raises, nothing is left there and ``path`` is untouched. A
        device or a pipe, such as ``/dev/null``, is written to as it is: a file renamed over it
        would take its place for every program.

    Raises:
        OSError: If nothing can be written there; it names ``path``, not the temporary file.
    """
    if path.is_char_device() or path.is_fifo():
        yield path
        return
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent
        )
    except OSError as error:
        error.filename = str(path)
        raise
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step.

    Args:
        path: What the file is to be called.
        text: Its content, written as UTF-8.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def check_no_file(folder: Path) -> None:
    """Refuse a place for a folder before any work is done for it.

    Args:
        folder: What ``--out`` was given.

    Raises:
        NormscopeError: If a file is there.
    """
    if folder.exists() and not folder.is_dir():
        raise NormscopeError(
            f"--out must be a folder, got the file {folder}. Choose another --out."
        )


def _umask() -> int:
    # The only way to read the mask is to set it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
