"""From what the user gave to shards of images, without holding the collection in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError, UnknownName
from normscope.images.arrays import LAYOUTS, as_images, is_guess, layout_of, most_of, open_npy
from normscope.images.collection import Stream, check_split_is_whole, counted_path, joined, name_of
from normscope.images.containers.data_sets import open_data_set
from normscope.images.containers.opening import (
    Wanted,
    is_container,
    open_container,
    split_part,
    with_part,
)
from normscope.images.encoded_paths import check_encoded, is_encoded
from normscope.images.encoded_shards import encoded_shards
from normscope.images.finding import ALL, every_image, expand_braces, files_under
from normscope.images.idx import read_idx
from normscope.images.items import as_array, shards_of_items
from normscope.images.names_met import NamesMet
from normscope.images.opening import NAMES, open_source
from normscope.images.remote_stream import open_remote_stream
from normscope.images.shards import ArrayShard, Shard
from normscope.images.urls import is_remote, without_secrets
from normscope.keywords import check_path
from normscope.regular_files import is_special

if TYPE_CHECKING:
    import numpy as np

    from normscope.images.choosing import Choice

ARRAY_SHARD_BYTES = 2**22
SPLITS = ("train", "val", "test", "all")
PATHS = "a folder, an archive or a file of images"


def open_stream(
    source: Any,
    split: str | None = None,
    root: Path | None = None,
    layout: str | None = None,
    choice: Choice = ALL,
) -> Stream:
    """Open a source without reading its images.

    Args:
        source: A named source, a path, URL or list of them (folders, image files, archives,
            tables, videos, ``.npy``, IDX, files of many arrays), an array or tensor, one of Dask,
            Zarr or xarray, or any iterable or Dataset.
        split: ``train``, ``val``, ``test``, ``all``, or None: ``train`` where there is one, else
            all.
        root: Where the named data sets are looked for first.
        layout: What the axes of an array are, a name in ``LAYOUTS``; guessed if None.
        choice: Which images of folders, archives and lists of files are taken.

    Returns:
        The collection.

    Raises:
        UnknownName: If the layout is unknown.
        NormscopeError: If the split is, or the source cannot be opened.
    """
    if layout is not None and layout not in LAYOUTS:
        raise UnknownName("--layout", layout, LAYOUTS)
    if split is not None and split not in SPLITS:
        raise NormscopeError(
            f"--split must be one of {', '.join(SPLITS)}, got '{split}'. Choose one of these."
        )
    if choice:
        from normscope.images.chosen_stream import chosen_stream

        return chosen_stream(source, split, choice)
    if isinstance(source, str | Path):
        return _open_path(str(source), split, root, layout)
    data_set = open_data_set(source, split)
    if data_set is not None:
        return data_set
    array = as_array(source)
    if array is not None:
        check_split_is_whole("the array", split)
        return _array_stream("array", array, layout)
    from normscope.images.containers.lazy_array import open_lazy_array

    lazy = open_lazy_array(source, layout)
    if lazy is not None:
        check_split_is_whole("the array", split)
        return lazy
    if isinstance(source, list | tuple) and source and all(
        isinstance(part, str | Path) for part in source
    ):  # fmt: skip
        return _open_paths([str(part) for part in source], split, root, layout)
    check_split_is_whole(f"the {type(source).__name__}", split)
    # A Pillow image, or an image's bytes, is one item.
    alone = isinstance(source, bytes | bytearray) or hasattr(source, "getbands")
    return _items_stream([source] if alone else source)


def _open_path(source: str, split: str | None, root: Path | None, layout: str | None) -> Stream:
    if is_remote(source):
        url = without_secrets(split_part(source)[0])
        if _is_idx(url):
            check_split_is_whole(url, split)
            return _array_stream(url, read_idx(url), layout)
        return open_remote_stream(source, split, layout)
    if is_special(split_part(source)[0]):
        raise NormscopeError(
            f"source must be a name, a folder or a regular file, got {source}, a pipe or a device. "
            "Keep what it gives in a file."
        )
    return _open_local(source, split, root, layout)


def _open_local(source: str, split: str | None, root: Path | None, layout: str | None) -> Stream:
    if source in NAMES:
        return _named_stream(source, split, root)
    if not source:
        raise UnknownName("source", source, NAMES, also=PATHS)
    file, part = split_part(source)
    if is_container(file) and Path(file).exists():
        return open_container(Wanted(file, part, split, layout))
    path = Path(source)
    if path.is_dir():
        _check_no_layout(source, layout)
        return _encoded_stream([source], split)
    if not path.exists():
        expanded = [with_part(each, part) for each in expand_braces(file)]
        if expanded != [source]:
            return _open_paths(expanded, split, root, layout)
        if len(path.parts) > 1:
            raise NormscopeError(
                f"source must be a name, a folder, an archive or a file of images that exists, got "
                f"{source}: nothing is there. Check the path."
            )
        raise UnknownName("source", source, NAMES, also=PATHS)
    suffix = path.suffix.lower()
    if suffix == ".npy":
        check_split_is_whole(source, split)
        return _array_stream(source, open_npy(path), layout, path)
    if _is_idx(source):
        check_split_is_whole(source, split)
        return _array_stream(source, read_idx(path), layout, path)
    _check_no_layout(source, layout)
    return _encoded_stream([source], split)


def _check_no_layout(source: str, layout: str | None) -> None:
    if layout is not None:
        raise NormscopeError(
            f"--layout must be used with one array, got {source}, whose files say their own axes. "
            "Leave it out, or give the file of an array."
        )


def _is_idx(path: str) -> bool:
    name = path.rpartition("/")[2].lower()
    return name.removesuffix(".gz").endswith(".idx") or "-ubyte" in name


def _open_paths(
    paths: list[str], split: str | None, root: Path | None, layout: str | None
) -> Stream:
    for path in paths:
        check_path(path, "each source")
    twice = [path for path, count in Counter(paths).items() if count > 1]
    if twice:
        raise NormscopeError(
            f"each source must be given once, got {twice[0]} twice. Leave one out."
        )
    parts = []
    for encoded, group in groupby(paths, is_encoded):
        if encoded:
            parts.append(_encoded_stream(list(group), split))
        else:
            parts += [_open_path(path, split, root, layout) for path in group]
    return parts[0] if len(parts) == 1 else joined(parts)


def _encoded_stream(paths: list[str], split: str | None) -> Stream:
    for path in paths:
        check_encoded(path, split)
    passed: Counter[str] = Counter()
    names = NamesMet()
    empty: list[str] = []

    def shards() -> Iterator[Shard]:
        passed.clear()
        names.clear()
        empty.clear()
        images = chain.from_iterable(
            counted_path(path, every_image(path, split, passed, in_order=True), empty)
            for path in paths
        )
        yield from encoded_shards(names.counted(images))

    def total() -> float:
        return sum(1 for path in paths for _ in files_under(path, split))

    return Stream(name_of(paths), shards, total, passed=passed, names=names, empty=empty)


def _array_shards(
    images: np.ndarray, start: int, origin: tuple[Any, ...] | None, most: int | None
) -> Iterator[Shard]:
    rows = max(1, ARRAY_SHARD_BYTES // max(1, images[:1].nbytes))
    for row in range(0, len(images), rows):
        yield ArrayShard(start + row, images[row : row + rows], None, origin, most=most)


def _array_stream(
    name: str, array: np.ndarray, layout: str | None, path: Path | None = None
) -> Stream:
    images = as_images(array, "the array" if name == "array" else name, layout)
    stream = _several_arrays(name, {"": images}, path, most_of(array.dtype))
    if layout is not None or not is_guess(array.shape):
        return stream
    taken = layout_of(array.shape)
    sizes = " x ".join(map(str, array.shape))
    return replace(stream, notes=(f"{sizes} values are read as {taken}; --layout changes it.",))


def _several_arrays(
    name: str, arrays: dict[str, np.ndarray], path: Path | None, most: int | None = None
) -> Stream:
    origin = None
    if path is not None:
        status = path.stat()
        origin = (str(path), status.st_size, status.st_mtime_ns)

    def shards() -> Iterator[Shard]:
        start = 0
        for key, images in arrays.items():
            here = None if origin is None else (*origin, key)
            yield from _array_shards(images, start, here, most)
            start += len(images)

    return Stream(name, shards, lambda: float(sum(len(images) for images in arrays.values())))


def _named_stream(name: str, split: str | None, root: Path | None) -> Stream:
    source = open_source(name, root)
    splits = {"train": source.train, "val": source.validation, "test": source.test}
    if split in {"train", "val", "test"} and splits[split] is None:
        present = ", ".join(key for key, images in splits.items() if images is not None)
        raise NormscopeError(
            f"{name} must have a split {split}, got {present}. Choose one of these, or all."
        )
    wanted = list(splits) if split == "all" else [split or "train"]
    arrays = {key: splits[key].pixels for key in wanted if splits[key] is not None}
    stream = _several_arrays(name, arrays, None)
    return replace(stream, scale=source.scale, whole="collection" if split == "all" else "split")


def _items_stream(source: Any) -> Stream:
    name = type(source).__name__
    by_index = hasattr(source, "__getitem__") and hasattr(source, "__len__")
    if by_index and not isinstance(source, Mapping):
        count = len(source)
        # A Dataset need not be iterable; its items are read by index, as a DataLoader does.
        return Stream(
            name,
            lambda: shards_of_items(_item(source, i) for i in range(count)),
            lambda: float(count),
        )
    if not isinstance(source, Iterable) or isinstance(source, Mapping):
        raise NormscopeError(
            "source must be a name, a path, an array, a tensor, a Dataset or an iterable of "
            f"images, got {name}. Give one of these."
        )
    return Stream(name, lambda: shards_of_items(source), lambda: None)


def _item(source: Any, index: int) -> Any:
    try:
        return source[index]
    except (KeyError, IndexError, TypeError) as error:
        if index:
            raise
        raise NormscopeError(
            f"source must give its first image by the index 0, got {type(error).__name__} from "
            f"{type(source).__name__}. Give a Dataset, or an iterable of images."
        ) from error
