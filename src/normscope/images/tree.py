"""The image files under a folder, in one order everywhere and without listing them all at once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.images.encoded import not_readable
from normscope.images.formats import (
    ARCHIVES,
    ARRAYS,
    HEAD,
    PACKED_ARCHIVES,
    SUFFIXES,
    is_image,
    kind_of_name,
)
from normscope.regular_files import open_regular

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from pathlib import Path

SPLIT_FOLDERS = {
    "train": ("train", "training"),
    "val": ("val", "validation", "valid"),
    "test": ("test", "testing"),
}

KNOWN = (*SUFFIXES, *ARRAYS, *ARCHIVES, *PACKED_ARCHIVES)

FIGURES, RESULTS = "figures", {"stats.json", "summary.json"}
"""The pictures of normscope's own results, which are no images of the user's."""


def walk_images(folder: Path, passed: Counter[str] | None = None) -> Iterator[str]:
    """Image files, NumPy files and archives under a folder, in the order of their names.

    A file whose name tells nothing is one if its first bytes are those of an image.

    Only one folder's names are held at a time, so any number of images fits in memory. Links are
    followed, and a link back to a folder that is being walked is not, so that a loop ends. Names
    that start with a dot are hidden.

    Args:
        folder: Where to start.
        passed: Counts the files that are none of these, by suffix.

    Yields:
        Paths as text, which is a third of the size of path objects.
    """
    yield from _walk(str(folder), (), passed)


def _walk(
    folder: str, above: tuple[tuple[int, int], ...], passed: Counter[str] | None
) -> Iterator[str]:
    try:
        status = os.stat(folder)  # noqa: PTH116
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            return
        with os.scandir(folder) as entries:
            names = sorted((e.name, _is_folder(e)) for e in entries if e.name[0] != ".")
    except OSError as error:
        raise NormscopeError(not_readable(folder, error)) from None
    ours = any(name in RESULTS for name, _ in names)
    for name, is_folder in names:
        path = f"{folder}/{name}"
        if is_folder and ours and name == FIGURES:
            continue
        if is_folder:
            yield from _walk(path, (*above, identity), passed)
        elif name.lower().endswith(KNOWN) or is_image(head_of(path)):
            yield path
        elif passed is not None:
            passed[kind_of_name(name)] += 1


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself, which is skipped as an image that cannot be read


def head_of(path: str) -> bytes:
    """The first bytes of a regular file.

    Args:
        path: Perhaps of something else.

    Returns:
        At most ``HEAD`` bytes; none where it is no regular file, or cannot be read.
    """
    try:
        with open_regular(path) as file:
            return file.read(HEAD)
    except OSError:
        return b""


def split_folder(folder: Path, split: str | None) -> Path:
    """The part of a folder that a split names.

    Args:
        folder: Perhaps with ``train/``, ``val/`` or ``test/`` in it.
        split: ``train``, ``val``, ``test``, ``all``, or None: ``train`` where there is one.

    Returns:
        The folder to walk.

    Raises:
        NormscopeError: If the folder has no such split.
    """
    if split == "all":
        return folder
    for name in SPLIT_FOLDERS[split or "train"]:
        if (folder / name).is_dir():
            return folder / name
    if split is None:
        return folder
    present = [
        name for names in SPLIT_FOLDERS.values() for name in names if (folder / name).is_dir()
    ]
    raise NormscopeError(
        f"{folder} must hold {split}/ for --split {split}, "
        f"got {', '.join(present) or 'no split folder'}. Choose a split that is there, or all."
    )


def split_of_path(path: str) -> str | None:
    """The split that a path inside an archive belongs to, by its first two folders.

    Args:
        path: Such as ``train/cat/1.jpg`` or ``cifar/train/cat/1.jpg``.

    Returns:
        ``train``, ``val``, ``test`` or None.

    Example:
        >>> split_of_path("cifar/validation/cat/1.jpg")
        'val'
    """
    folders = [part for part in path.split("/")[:-1] if part != "."][:2]
    for folder in folders:
        for split, names in SPLIT_FOLDERS.items():
            if folder in names:
                return split
    return None
