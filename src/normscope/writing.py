"""Files that are whole or not there at all."""

from __future__ import annotations

import errno
import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError
from normscope.regular_files import is_special
from normscope.temporary_files import begun_file, end_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


LOOKED_AT = 2**16
"""Bytes at the start of a file that tell whether normscope wrote it."""

OUR_KEYS = (
    b'"accuracy"', b'"answer"', b'"asked"', b'"computed"', b'"entries"', b'"experiments"',
    b'"freed_bytes"', b'"mean_se"', b'"output_std"', b'"schema"', b'"sentence"', b'"studies"',
    b'"trials"',
)  # fmt: skip
"""One of them stands near the start of everything that commands write as JSON."""

READER_SECONDS = 5
"""For so long a pipe may be without a reader."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file under a temporary name beside it, and rename it once it is whole.

    Args:
        path: What the file is to be called; an older one is replaced in one step.

    Yields:
        Where to write. If the block raises, nothing is left there and ``path`` is untouched. A
        device, such as ``/dev/null``, a pipe or a socket is written to as it is: a file renamed
        over it would take its place for every program.

    Raises:
        OSError: If nothing can be written there; it names ``path``, not the temporary file.
    """
    if path.is_fifo():
        # Held meanwhile: a reader ends where the last writer has closed the pipe.
        held = _read_pipe(path)
        try:
            yield path
        finally:
            os.close(held)
        return
    if is_special(path):
        yield path
        return
    try:
        handle, temporary = begun_file(path)
    except OSError as error:
        error.filename = str(path)
        raise
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        if error.filename in {None, str(temporary)}:
            error.filename = str(path)
        raise
    finally:
        end_file(handle, temporary)


def _read_pipe(path: Path) -> int:
    """Open a pipe to write once somebody reads it; to wait for that has no end."""
    deadline = time.monotonic() + READER_SECONDS
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() > deadline:
                raise OSError(errno.ENXIO, "a pipe that nobody reads", str(path)) from None
        time.sleep(0.05)


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_result(path: Path, text: str) -> None:
    """Write a page or numbers of ours in one step, over nothing but older ones.

    Args:
        path: An ``.html`` or ``.json`` file.
        text: Its content.
    """
    check_ours(path)
    write_text(path, text)


def json_text(data: Any) -> str:
    """Plain values, all finite, as our files and standard output have them."""
    return json.dumps(data, indent=2, allow_nan=False) + "\n"


def write_numbers(path: Path, data: Any) -> None:
    """Write plain values as JSON, as ``write_result`` does."""
    write_result(path, json_text(data))


def check_ours(path: Path) -> None:
    """Refuse to replace a file that somebody else wrote.

    Raises:
        NormscopeError: If there is a file that is no page and no numbers of normscope's.
    """
    if not path.is_file():
        return  # nothing is there, or a pipe, which would keep a reader waiting
    with path.open("rb") as file:
        head = file.read(LOOKED_AT)
    if not head.strip():
        return
    page = head[:15].lower() == b"<!doctype html>" and b"normscope" in head
    numbers = head.lstrip()[:1] in {b"{", b"["} and any(key in head for key in OUR_KEYS)
    if not (page or numbers):
        raise NormscopeError(
            f"{path} must be a new file or an older result of normscope's, got another file. "
            "Move it, or choose another place."
        )


def check_no_input(path: Path, *inputs: Path | None) -> None:
    """Refuse to write over what is read.

    Args:
        path: What ``--out`` was given.
        inputs: Files that are read; None is none.

    Raises:
        NormscopeError: If the path is one of them, by whatever name.
    """
    for given in inputs:
        if given is not None and path.exists() and given.exists() and path.samefile(given):
            raise NormscopeError(
                f"--out must be another file than the one that is read, got {path} for both. "
                "Choose another --out."
            )


def check_no_file(folder: Path, *names: str) -> None:
    """Refuse a place for a folder before any work is done for it.

    Args:
        folder: What ``--out`` was given.
        names: Results that will be written into it.

    Raises:
        NormscopeError: If a file is there, or somebody else's file by one of these names.
    """
    for name in names:
        check_ours(folder / name)
    if folder.exists() and not folder.is_dir():
        raise NormscopeError(
            f"--out must be a folder, got the file {folder}. Choose another --out."
        )


def _umask() -> int:
    # The only way to read the mask is to set it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
