"""A study's folder, held by one process at a time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from normscope.errors import StudyBusy
from normscope.studies.study_file import PAGE, SUMMARY
from normscope.writing import check_no_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a study's folder against other processes.

    The lock is the kernel's, so it ends with the process, however that ends.

    Args:
        folder: Made where it does not exist.

    Yields:
        Nothing, while no other process holds the folder.

    Raises:
        NormscopeError: If the folder is a file, or holds somebody else's page or summary.
        StudyBusy: If another process holds it.
    """
    check_no_file(folder, SUMMARY, PAGE)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / LOCK, timeout=0):
            yield
    except Timeout:
        raise StudyBusy(
            f"{folder} must be used by one process at a time, got another that works on it now. "
            "Wait for it, or choose another --out."
        ) from None
