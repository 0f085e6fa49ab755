"""What the system lacks or refuses, such as memory and disk space, said in one sentence."""

from __future__ import annotations

import errno
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.wording import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_WRITABLE = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EBUSY,
    errno.EFBIG,
    errno.EISDIR,
    errno.ENOENT,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.ENXIO,
    errno.EPERM,
    errno.EROFS,
}
"""What the system says where an output cannot be written."""


@contextmanager
def in_sentences(*, writes: bool = True) -> Iterator[None]:
    """Say it in one sentence where memory does not suffice, a path is too long or an output fails.

    Args:
        writes: Whether a file that the system refuses can be an output.

    Yields:
        Nothing.

    Raises:
        NormscopeError: In place of the error of the system, torch or NumPy.
        OSError: Every other one, as it is.
        RuntimeError: Likewise.
        MemoryError: Never.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            path = str(error.filename2 or error.filename or "")
            raise NormscopeError(
                f"a path must have names that the system takes, got {path[:40]}...: too long. "
                "Shorten it."
            ) from None
        if not writes or error.errno not in NOT_WRITABLE:
            raise
        advice = "Free up space, fix the permissions"
        if error.errno == errno.ENXIO:  # of a pipe or a socket that nobody reads
            advice = "Start what reads it first"
        raise NormscopeError(
            f"{error.filename2 or error.filename or 'the output'} must be writable, got: "
            f"{error.strerror}. {advice} or choose another place."
        ) from None
    except (MemoryError, RuntimeError) as error:
        on_device = type(error).__name__ == "OutOfMemoryError"  # torch's, not imported here
        if not on_device and not isinstance(error, MemoryError):
            raise
        reason = re.sub(r"(Tried to allocate [\d.]+ \w+)\..*", r"\1", first_line(error))
        raise NormscopeError(
            f"the work must fit the memory that is free, got: {reason}. End what else holds "
            "memory, or use smaller images (--resize, --crop) or a smaller model"
            f"{', or use --device cpu' if on_device else ''}."
        ) from None
