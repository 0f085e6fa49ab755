"""A folder of tables or record files that together are a data set, such as ``train-*.parquet``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.images.collection import joined
from normscope.images.containers.folders import parts_of
from normscope.images.containers.opening import Wanted, open_container
from normscope.images.containers.splits import of_split

if TYPE_CHECKING:
    from normscope.images.collection import Stream


def open_stream(wanted: Wanted) -> Stream:
    """Open a folder of parts.

    Args:
        wanted: The folder, and perhaps a column of each part.

    Returns:
        The images of the parts in the order of their names.

    Raises:
        NormscopeError: If a part cannot be read, or there is none of the split.
    """
    by_split: dict[str, list[str]] = {}
    for path in parts_of(wanted.path):
        first_word = re.split(r"[-_.]", Path(path).name, maxsplit=1)[0]
        by_split.setdefault(first_word, []).append(path)
    paths = [path for parts in of_split(wanted.path, by_split, wanted.split) for path in parts]
    streams = [open_container(Wanted(path, wanted.part, layout=wanted.layout)) for path in paths]
    return joined(streams, wanted.path)
