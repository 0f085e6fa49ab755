"""Some images of folders and archives, or images whose bands lie in several files, as shards."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from itertools import chain, groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError
from normscope.images.band_stack import BandStack
from normscope.images.collection import Stream, counted_path, name_of
from normscope.images.encoded import EncodedImage
from normscope.images.encoded_paths import check_encoded, is_encoded
from normscope.images.finding import every_image, expand_braces
from normscope.images.formats import ARCHIVES, passed_over
from normscope.images.shards import EncodedShard, Shard, shard_size
from normscope.images.stack_shard import StackShard
from normscope.keywords import check_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from normscope.images.choosing import Choice


def chosen_stream(source: Any, split: str | None, choice: Choice) -> Stream:
    """Open a source without reading its images.

    Args:
        source: A path or a list of paths: folders, archives, image files.
        split: As of ``open_stream``.
        choice: Which images are taken, and which files together are one.

    Returns:
        The collection.

    Raises:
        NormscopeError: If the source is of another kind, or nothing in it is chosen.
    """
    given = source if isinstance(source, list | tuple) else [source]
    if not all(isinstance(part, str | Path) for part in given):
        raise NormscopeError(_no_files(type(source).__name__))
    for part in given:
        check_path(part, "each source")
    paths = [path for part in given for path in expand_braces(str(part))]
    for path in paths:
        if not is_encoded(path):
            raise NormscopeError(_no_files(path))
        check_encoded(path, split)
    passed: Counter[str] = Counter()
    empty: list[str] = []

    def images(choice: Choice) -> Iterator[EncodedImage | BandStack]:
        passed.clear()
        whole = [path for path in paths if _holds_many(path)]
        single = [path for path in paths if not _holds_many(path)]
        empty.clear()
        for path in whole:
            yield from counted_path(path, choice.of(every_image(path, split, passed), path), empty)
        # Files that are named one by one may be bands of one another.
        if single:
            files = [EncodedImage(str(Path(path).absolute())) for path in single]
            root = os.path.commonpath([Path(image.name).parent for image in files])
            yield from choice.of(files, root)

    def shards() -> Iterator[Shard]:
        found = images(choice)
        first = next(found, None)
        if first is None:
            by_bands = choice.select is None or any(images(replace(choice, bands=None)))
            option = f"--bands {choice.bands}" if by_bands else f"--select {choice.select}"
            raise NormscopeError(
                f"{name_of(paths)} must hold images that {option} chooses, got none. "
                f"Check it{f': {said}' if (said := passed_over(passed)) else '.'}"
            )
        yield from _shards(chain([first], found))

    return Stream(name_of(paths), shards, lambda: None, passed=passed, empty=empty)


def _no_files(met: str) -> str:
    return (
        "--select and --bands must be used with folders, .tar archives and files of images, got "
        f"{met}. Leave them out."
    )


def _holds_many(path: str) -> bool:
    return Path(path).is_dir() or path.lower().endswith(ARCHIVES)


def _shards(images: Iterable[EncodedImage | BandStack]) -> Iterator[Shard]:
    start, index = 0, 0
    for _, group in groupby(images, lambda image: image.archive):
        while some := list(islice(group, shard_size(index))):
            stacks = [image for image in some if isinstance(image, BandStack)]
            if stacks:
                yield StackShard(start, tuple(stacks), len(stacks))
            else:
                files = [image for image in some if isinstance(image, EncodedImage)]
                yield EncodedShard.of(start, files, len(files))
            start, index = start + len(some), index + 1
