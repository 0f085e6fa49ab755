"""Folders that are one data set: tables and record files in parts, LMDB, saved ``datasets``."""

from __future__ import annotations

import os
import re

from normscope.images.formats import ARCHIVES, PACKED_ARCHIVES, SUFFIXES

MARKS = {
    ".zarray": "zarr_folder",
    ".zgroup": "zarr_folder",
    "data.mdb": "key_values",
    "dataset_dict.json": "saved_data_set",
    "state.json": "saved_data_set",
    "zarr.json": "zarr_folder",
}
"""Files that only such a folder has, and the module that reads it."""

PARTS = re.compile(r"\.(arrow|parquet|tfrecords?)$|-\d{5}-of-\d{5}$", re.IGNORECASE)
"""Of the name of a file that is part of a data set."""

DATA = "data"
"""The folder that holds the parts in a copy of a data set of the Hugging Face Hub."""


def reader_of_folder(folder: str) -> str | None:
    """Which module reads a folder as one data set.

    A folder with images in it is a folder of images, whatever else is there.

    Args:
        folder: Its path.

    Returns:
        The module's name, or None for a folder of images.
    """
    if folder.rstrip("/").lower().endswith(".zarr"):
        return "zarr_folder"
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except OSError:
        return None
    for name, module in MARKS.items():
        if name in names:
            return module
    return "parts" if parts_of(folder) else None


def parts_of(folder: str) -> list[str]:
    """The parts of the data set that a folder holds, or its folder ``data``.

    Args:
        folder: Its path.

    Returns:
        Their paths in the order of their names; none where there are images or other folders.
    """
    try:
        with os.scandir(folder) as entries:
            found = [(e.name, e.is_dir()) for e in entries if e.name[0] != "."]
    except OSError:
        return []
    files = sorted(name for name, is_folder in found if not is_folder)
    folders = {name for name, is_folder in found if is_folder}
    images = (*SUFFIXES, *ARCHIVES, *PACKED_ARCHIVES)
    if any(name.lower().endswith(images) for name in files) or folders - {DATA}:
        return []
    parts = [f"{folder}/{name}" for name in files if PARTS.search(name)]
    return parts or (parts_of(f"{folder}/{DATA}") if folders else [])
