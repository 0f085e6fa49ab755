"""From what the user typed to images in memory: a name or a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError, UnknownName
from normscope.images import named
from normscope.images.digits import open_digits
from normscope.images.folder import open_folder

if TYPE_CHECKING:
    from normscope.images.decoded import DecodedSource

NAMES = ("digits", *named.NAMES)


def open_source(source: str, root: Path | None = None) -> DecodedSource:
    """Decode a whole source into memory.

    Args:
        source: ``digits``, ``mnist``, ``fashion-mnist``, ``cifar10``, ``cifar100``, or the path
            of a folder with ``train/`` and ``val/`` or ``test/``.
        root: Where the named data sets are looked for first.

    Returns:
        The source with the splits it comes with.

    Raises:
        UnknownName: If the name is unknown.
        NormscopeError: If its images cannot be used.
        WorkFailed: If a named data set is nowhere and cannot be downloaded.
    """
    if source == "digits":
        return open_digits()
    if source in named.NAMES:
        return named.open_named(source, root)
    path = Path(source)
    if path.is_dir():
        try:
            return open_folder(path)
        except OSError as error:
            raise NormscopeError(
                f"{path} must be readable, got: {error.strerror}. Check its permissions."
            ) from None
    if path.exists():
        raise NormscopeError(
            f"source must be a name or a folder of images for trials, got the file {path}. "
            "Unpack it into train/ and test/ with one folder per class."
        )
    raise UnknownName("source", source, NAMES, also="a folder of images")
