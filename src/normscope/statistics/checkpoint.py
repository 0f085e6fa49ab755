"""Finished shards on disk, so that an interrupted run goes on from them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from normscope.regular_files import read_text
from normscope.statistics.collected import Collected
from normscope.writing import write_text

if TYPE_CHECKING:
    from pathlib import Path

    from normscope.images.shards import Shard
    from normscope.statistics.reading import Reading

FORMAT = 7
"""Part of each file's name, so that files of an older layout are not read."""


class Checkpoint:
    """A folder with one file for each finished shard.

    A file is named for what was read and how, so a run with other images or options finds none of
    it, and one with other workers, here or on Ray, finds all.

    Attributes:
        folder: Where the files lie.
        reading: How images are read.
    """

    def __init__(self, folder: Path, reading: Reading) -> None:
        self.folder = folder
        self.reading = reading
        folder.mkdir(parents=True, exist_ok=True)

    def load(self, shard: Shard) -> Collected | None:
        """The sums of a shard, if it was finished before.

        Args:
            shard: What would be read.

        Returns:
            The sums, or None if there are none or their file is damaged.
        """
        path = self._path(shard)
        if path is None:
            return None
        try:
            return Collected.from_json(json.loads(read_text(path)))
        except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
            return None

    def save(self, shard: Shard, collected: Collected) -> None:
        """Keep the sums of a finished shard."""
        path = self._path(shard)
        if path is not None:
            write_text(path, json.dumps(collected.to_json(), separators=(",", ":")))

    def _path(self, shard: Shard) -> Path | None:
        identity = shard.identity()
        masks = self.reading.masks
        masked = "" if masks is None else masks.identity(shard)
        if identity is None or masked is None:
            return None
        key = repr((FORMAT, identity, masked, self.reading)).encode()
        return self.folder / f"{hashlib.sha256(key).hexdigest()[:32]}.json"
