"""The encoded images under a path, unread, in one order everywhere: files and archives' members."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.images.archive import tar_members
from normscope.images.encoded import EncodedImage
from normscope.images.formats import ARCHIVES
from normscope.images.tree import split_folder, split_of_path, walk_images

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator


def find_images(
    path: str | Path, split: str | None = "all", passed: Counter[str] | None = None
) -> Iterator[EncodedImage]:
    """The images under a folder, in an archive, or the one in a file.

    Only one folder's names and one archive's header are held at a time, so that any number of
    images fits in memory.

    Args:
        path: A folder, a ``.tar`` archive or an image file.
        split: ``train``, ``val``, ``test``, ``all``, or None: ``train`` where there is one, else
            all. A split is a folder of that name, in the folder or the archive that the path names.
        passed: Counts the files that are no images, by suffix.

    Yields:
        Images in the order of the names in folders, and in an archive's own order.

    Raises:
        NormscopeError: If a folder or archive cannot be read, or lacks the split.
        WorkFailed: If an archive is cut in the middle.
    """
    for file in files_under(path, split, passed):
        if file.lower().endswith(ARCHIVES):
            # Archives below a split's folder belong to it whole.
            yield from _members(file, "all" if Path(path).is_dir() else split, passed)
        else:
            yield EncodedImage(file)


def files_under(
    path: str | Path, split: str | None = "all", passed: Counter[str] | None = None
) -> Iterator[str]:
    """The image files and archives under a folder, or the file itself.

    Args:
        path: As of ``find_images``.
        split: As there.
        passed: As there.

    Yields:
        Paths as text.
    """
    path = Path(path)
    if path.is_dir():
        yield from walk_images(split_folder(path, split), passed)
    else:
        yield str(path)


def _members(
    archive: str, split: str | None, passed: Counter[str] | None
) -> Iterator[EncodedImage]:
    if split is None and any(split_of_path(m.name) == "train" for m in tar_members(archive)):
        split = "train"
    met = False
    for member in tar_members(archive, passed):
        if split in {None, "all"} or split_of_path(member.name) == split:
            met = True
            yield member
    if not met and split not in {None, "all"}:
        raise NormscopeError(
            f"{archive} must hold {split}/ for --split {split}, got no such folder in it. "
            "Choose a split that is there, or all."
        )
