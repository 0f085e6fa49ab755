"""The encoded images under a path, unread, in one order everywhere: files and archives' members."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.images.archive import tar_members
from normscope.images.choosing import Choice
from normscope.images.encoded import EncodedImage
from normscope.images.formats import ARCHIVES, PACKED_ARCHIVES, kind_of_name
from normscope.images.packed_tar import packed_tar_members
from normscope.images.tree import split_folder, split_of_path, walk_images
from normscope.images.urls import is_remote
from normscope.images.zip_archive import zip_members

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

    from normscope.images.band_stack import BandStack

ALL = Choice()
MOST_EXPANDED = 100_000


def find_images(
    path: str | Path, passed: Counter[str] | None = None, choice: Choice = ALL
) -> Iterator[EncodedImage | BandStack]:
    """The images under a folder, in an archive, or the one in a file.

    Only one folder's names and one archive's header are held at a time, so that any number of
    images fits in memory.

    Args:
        path: A folder, a ``.tar`` or ``.zip`` archive or an image file.
        passed: Counts the files that are not images, by suffix.
        choice: Which of them are taken; files of bands are held by name until all are found.

    Yields:
        Images in the order of the names in folders, and in an archive's own order.

    Raises:
        NormscopeError: If a folder or archive cannot be read.
        WorkFailed: If an archive is cut in the middle.
    """
    images = every_image(path, passed=passed)
    yield from choice.of(images, str(path)) if choice else images


def expand_braces(pattern: str) -> list[str]:
    """The paths that a WebDataset pattern or a wildcard names.

    Args:
        pattern: Such as ``train-{000..099}.tar`` or ``shards/*.tar``.

    Returns:
        Paths in order; the pattern itself if it names nothing more.

    Example:
        >>> expand_braces("a-{08..10}.tar")
        ['a-08.tar', 'a-09.tar', 'a-10.tar']

    Raises:
        NormscopeError: If it names too many.
    """
    match = re.search(r"\{(\d+)\.\.(\d+)\}", pattern)
    if match is None:
        return sorted(glob.glob(pattern)) or [pattern] if "*" in pattern else [pattern]  # noqa: PTH207
    first, last = match.groups()
    if int(last) - int(first) >= MOST_EXPANDED:
        raise NormscopeError(
            f"{pattern} must name at most {MOST_EXPANDED:,} files, got {match[0]}. "
            "Give a smaller range."
        )
    head, tail = pattern[: match.start()], pattern[match.end() :]
    numbers = range(int(first), int(last) + 1)
    return [p for n in numbers for p in expand_braces(f"{head}{n:0{len(first)}}{tail}")]


def every_image(
    path: str | Path,
    split: str | None = "all",
    passed: Counter[str] | None = None,
    *,
    in_order: bool = False,
) -> Iterator[EncodedImage]:
    """All of them, each file and each member by itself.

    Args:
        path: As of ``find_images``.
        split: ``train``, ``val``, ``test``, ``all``, or None: ``train`` where there is one, else
            all. A split is a folder of that name, in the folder or the archive that the path names.
        passed: As of ``find_images``.
        in_order: Whether each image is read before the next is asked for, so that compressed tar
            archives can be read too; they are passed over otherwise.

    Yields:
        Images in the order of ``find_images``.

    Raises:
        NormscopeError: As there, or if the split is missing.
        WorkFailed: As there.
    """
    for file in files_under(path, split, passed):
        is_packed = file.lower().endswith(PACKED_ARCHIVES)
        if is_packed and not in_order:
            if passed is not None:
                passed[kind_of_name(file)] += 1
        elif is_packed or file.lower().endswith(ARCHIVES):
            # Archives below a split's folder belong to it whole.
            yield from archive_images(file, "all" if Path(path).is_dir() else split, passed)
        else:
            yield EncodedImage(file)


def files_under(
    path: str | Path, split: str | None, passed: Counter[str] | None = None
) -> Iterator[str]:
    """The image files and archives under a folder, or the file itself.

    Args:
        path: As of ``find_images``.
        split: As of ``every_image``.
        passed: As there.

    Yields:
        Paths as text.
    """
    path = Path(path)
    if path.is_dir():
        yield from walk_images(split_folder(path, split), passed)
    else:
        yield str(path)


def archive_images(
    archive: str, split: str | None, passed: Counter[str] | None
) -> Iterator[EncodedImage]:
    """The images of one archive.

    Args:
        archive: Path or URL of the file.
        split: As of ``every_image``; a folder within the archive.
        passed: As there.

    Yields:
        Images in the archive's own order.

    Raises:
        NormscopeError: If it cannot be read, or lacks the split.
    """
    members = _reader(archive)
    if split is None and any(split_of_path(m.name) == "train" for m in members(archive)):
        split = "train"
    met = False
    for member in members(archive, passed):
        if split in {None, "all"} or split_of_path(member.name) == split:
            met = True
            yield member
    if not met and split not in {None, "all"}:
        raise NormscopeError(
            f"{archive} must hold {split}/ for --split {split}, got no such folder in it. "
            "Choose a split that is there, or all."
        )


def _reader(archive: str) -> Callable[..., Iterator[EncodedImage]]:
    name = archive.lower()
    if name.endswith(".zip"):
        return zip_members
    # What is elsewhere is not asked for twice, once for its header and once for its bytes.
    in_order = name.endswith(PACKED_ARCHIVES) or is_remote(name)
    return packed_tar_members if in_order else tar_members
