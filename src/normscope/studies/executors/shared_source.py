"""A source as one file that worker processes map, so that they share the memory of its images."""

from __future__ import annotations

import pickle
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from normscope.images.decoded import DecodedSource


def write_source(source: DecodedSource, path: Path) -> None:
    """Write a source for worker processes of this machine.

    Handed over with the process's start it would be written into a pipe, which blocks for ever
    where a worker dies before it has read it. Of images that lie in a file it holds the name.

    Args:
        source: Any.
        path: The file, made or written over.
    """
    arrays: list[pickle.PickleBuffer] = []
    rest = pickle.dumps(source, protocol=5, buffer_callback=arrays.append)
    with path.open("wb") as file:
        sizes = [file.write(array.raw()) for array in arrays]
        file.write(rest)
        pickle.dump(sizes, file)
        file.write((file.tell() - sum(sizes) - len(rest)).to_bytes(8, "little"))


def read_source(path: str | Path) -> DecodedSource:
    """Map what ``write_source`` wrote.

    Args:
        path: The file, written by this process's parent.

    Returns:
        The source. Its arrays are as if they were its own: what is written to them stays here.
    """
    data = np.memmap(path, np.uint8, "c")
    end = len(data) - 8
    length = int.from_bytes(data[end:].tobytes(), "little")
    sizes = pickle.loads(data[end - length : end].data)  # noqa: S301 - of our own parent
    starts = np.cumsum([0, *sizes])
    arrays = [data[start:stop] for start, stop in pairwise(starts)]
    return pickle.loads(data[starts[-1] : end - length].data, buffers=arrays)  # noqa: S301
