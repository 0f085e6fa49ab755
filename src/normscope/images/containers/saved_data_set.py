"""A folder that ``datasets.Dataset.save_to_disk`` wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.images.collection import check_split_is_whole, joined
from normscope.images.containers import arrow
from normscope.images.containers.opening import Wanted
from normscope.images.containers.splits import of_split
from normscope.regular_files import read_text

if TYPE_CHECKING:
    from normscope.images.collection import Stream


def open_stream(wanted: Wanted) -> Stream:
    """Open a saved Dataset or DatasetDict.

    Args:
        wanted: The folder, and perhaps the column and the split.

    Returns:
        Its images.

    Raises:
        NormscopeError: If the folder is damaged, or lacks the split or a column of images.
    """
    folder = Path(wanted.path)
    if (folder / "dataset_dict.json").is_file():
        names = _names(folder / "dataset_dict.json", lambda data: data["splits"])
        folders = of_split(wanted.path, {name: folder / name for name in names}, wanted.split)
    else:
        check_split_is_whole(wanted.path, wanted.split)
        folders = [folder]
    files = [
        one / name
        for one in folders
        for name in _names(
            one / "state.json", lambda data: [f["filename"] for f in data["_data_files"]]
        )
    ]
    streams = [arrow.open_stream(Wanted(str(file), wanted.part)) for file in files]
    return joined(streams, wanted.path)


def _names(path: Path, pick) -> list[str]:
    try:
        names = pick(json.loads(read_text(path)))
        # Names are the file's own words, and must not lead out of the folder.
        if not all(isinstance(name, str) and Path(name).name == name for name in names):
            raise ValueError("a name that is no file's")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"{type(error).__name__} {error}"
        raise NormscopeError(
            f"{path} must list the files of a saved data set, got: {reason}. "
            "Save the data set again with save_to_disk."
        ) from None
    return names
