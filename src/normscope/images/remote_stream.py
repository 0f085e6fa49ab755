"""A file or a prefix elsewhere as shards of images."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.images.collection import Stream, check_split_is_whole
from normscope.images.containers.folders import MARKS
from normscope.images.containers.opening import (
    Wanted,
    is_container,
    open_container,
    split_part,
)
from normscope.images.encoded import EncodedImage
from normscope.images.encoded_shards import encoded_shards
from normscope.images.finding import archive_images
from normscope.images.formats import ARCHIVES, ARRAYS, PACKED_ARCHIVES, SUFFIXES, kind_of_name
from normscope.images.remote import list_remote
from normscope.images.tree import split_of_path
from normscope.images.urls import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator


def open_remote_stream(source: str, split: str | None, layout: str | None) -> Stream:
    """Open a URL; nothing is kept on disk, and no more than a few shards in memory.

    Args:
        source: Of a file, or a prefix of images or of a Zarr folder.
        split: As of ``open_stream``.
        layout: As there.

    Returns:
        Its images.

    Raises:
        NormscopeError: If it cannot be read.
    """
    url, part = split_part(source)
    url = without_secrets(url)
    name = url.lower()
    if is_container(url):
        return open_container(Wanted(url, part, split, layout))
    if part is not None:
        raise NormscopeError(f"{url} must be a file with parts, got ::{part}. Leave it out.")
    passed: Counter[str] = Counter()
    if name.endswith((*ARCHIVES, *PACKED_ARCHIVES)):
        return Stream(
            url,
            lambda: encoded_shards(_fresh(archive_images(url, split, passed), passed)),
            lambda: 1.0,
            passed=passed,
        )
    if name.endswith((*SUFFIXES, *ARRAYS)):
        check_split_is_whole(url, split)
        return Stream(url, lambda: encoded_shards([EncodedImage(url)]), lambda: 1.0)
    return _prefix(url, split, layout, passed)


def _prefix(url: str, split: str | None, layout: str | None, passed: Counter[str]) -> Stream:
    files = list_remote(url)
    start = len(url.rstrip("/")) + 1
    if any(MARKS.get(file[start:]) == "zarr_folder" for file, _ in files):
        return open_container(Wanted(url, None, split, layout), MARKS["zarr.json"])
    splits = {split_of_path(file[start:]) for file, _ in files}
    wanted = "train" if split is None and "train" in splits else split
    if wanted in {"train", "val", "test"}:
        if wanted not in splits:
            raise NormscopeError(
                f"{url} must hold {wanted}/ for --split {wanted}, got no such folder there. "
                "Choose a split that is there, or all."
            )
        files = [(file, size) for file, size in files if split_of_path(file[start:]) == wanted]

    def images() -> Iterator[EncodedImage]:
        for file, size in files:
            if file.lower().endswith((*ARCHIVES, *PACKED_ARCHIVES)):
                yield from archive_images(file, "all", passed)
            elif file.lower().endswith((*SUFFIXES, *ARRAYS)):
                yield EncodedImage(file, size=size)
            else:
                passed[kind_of_name(file)] += 1

    return Stream(
        url, lambda: encoded_shards(_fresh(images(), passed)), lambda: float(len(files)),
        passed=passed,
    )  # fmt: skip


def _fresh(images: Iterator[EncodedImage], passed: Counter[str]) -> Iterator[EncodedImage]:
    passed.clear()
    yield from images
