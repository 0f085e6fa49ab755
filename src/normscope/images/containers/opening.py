"""Which reader opens a file that holds many images, and the part of it that was asked for."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import EXTRAS, MissingExtra
from normscope.images.containers.folders import reader_of_folder
from normscope.wording import listed

if TYPE_CHECKING:
    from collections import Counter

    from normscope.images.collection import Stream

PART = "::"
"""Between a file's path and the name of the part that is wanted: ``FILE::DATASET``."""

READERS: dict[str, str] = {
    **dict.fromkeys((".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm"), "video"),
    **dict.fromkeys((".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".fits.fz"), "fits"),
    **dict.fromkeys((".h5", ".hdf5", ".hdf"), "hdf5"),
    **dict.fromkeys((".lmdb", ".mdb"), "key_values"),
    **dict.fromkeys((".nc", ".nc4", ".cdf"), "netcdf"),
    **dict.fromkeys((".tfrecord", ".tfrecords"), "tfrecord"),
    ".arrow": "arrow",
    ".mat": "mat",
    ".npz": "npz",
    ".parquet": "parquet",
    **dict.fromkeys((".zarr", ".zarr.zip", ".ozx"), "zarr_folder"),
}
"""Which module of this package reads files (or folders) of a suffix."""

OF_ARRAYS = {"fits", "hdf5", "mat", "netcdf", "npz", "video", "zarr_folder"}
"""The modules whose images have no names of their own."""

PART_OF_SEVERAL = re.compile(r"-\d{5}-of-\d{5}$")
"""The end of a TFRecord file's name, which need have no suffix."""


@dataclass(frozen=True)
class Wanted:
    """What was asked for of a file.

    Attributes:
        path: The file, or the folder that such a format is.
        part: The part of it, or None.
        split: ``train``, ``val``, ``test``, ``all``, or None: train where there is one, else all.
        layout: What the axes of an array are, or None to guess.
    """

    path: str
    part: str | None = None
    split: str | None = None
    layout: str | None = None


def split_part(source: str) -> tuple[str, str | None]:
    """A path and the part behind it.

    Args:
        source: As the user typed it.

    Returns:
        The path, and the part or None.

    Example:
        >>> split_part("scans.h5::train/images"), split_part("photos")
        (('scans.h5', 'train/images'), ('photos', None))
    """
    path, found, part = source.partition(PART)
    return path, part if found else None


def with_part(path: str, part: str | None) -> str:
    """A path with the part behind it, as ``split_part`` takes it.

    Args:
        path: Of a file.
        part: The part, or None.

    Returns:
        Both as one.
    """
    return path if part is None else f"{path}{PART}{part}"


def is_container(path: str) -> bool:
    """Whether one of this package's readers opens a path.

    Args:
        path: Of a file or folder, without a part.

    Returns:
        Whether its suffix, or what lies in the folder, says so.
    """
    return reader_of(path) is not None


def reader_of(path: str) -> str | None:
    """Which module of this package reads a file or folder.

    Args:
        path: Of a file or folder, without a part.

    Returns:
        The module's name, or None.
    """
    if os.path.isdir(path):  # noqa: PTH112
        return reader_of_folder(path)
    if PART_OF_SEVERAL.search(path):
        return "tfrecord"
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    return READERS.get("".join(suffixes[-2:])) or READERS.get("".join(suffixes[-1:]))


def to_be_named(passed: Counter[str]) -> str:
    """What is said of files that were passed over in a folder and hold many images each.

    Args:
        passed: The number of files that are not images, by suffix.

    Returns:
        A sentence, or nothing without such files.

    Example:
        >>> from collections import Counter
        >>> to_be_named(Counter({".h5": 2, ".txt": 1}))
        'Files of .h5 may hold many images each: name them themselves, such as FOLDER/*.h5.'
    """
    suffixes = sorted(suffix for suffix in passed if suffix in READERS)
    if not suffixes:
        return ""
    return (
        f"Files of {listed(suffixes)} may hold many images each: name them themselves, such as "
        f"FOLDER/*{suffixes[0]}."
    )


def open_container(wanted: Wanted, reader: str | None = None) -> Stream:
    """Open a file that holds many images, without reading them.

    Args:
        wanted: A path that ``is_container`` says yes to, or any with a reader.
        reader: The module of this package that reads it; None for that of its name.

    Returns:
        Its images.

    Raises:
        MissingExtra: If the format's library is not installed.
        ModuleNotFoundError: If another module is missing, which is a fault of ours.
        NormscopeError: If the file cannot be read, or lacks the part.
    """
    name = reader or reader_of(wanted.path)
    try:
        return import_module(f"normscope.images.containers.{name}").open_stream(wanted)
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        raise MissingExtra(error.name, str(wanted.path)) from None
