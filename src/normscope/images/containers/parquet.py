"""Parquet files with a column of encoded images, read by row group."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from normscope.images.containers.columns import encoded, leaf, table_stream, whole_table
from normscope.images.containers.held import Record, decoded, held_shards
from normscope.images.encoded import open_binary, stamp
from normscope.images.shards import Item, digest
from normscope.images.urls import is_remote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    import numpy as np

    from normscope.images.collection import Stream
    from normscope.images.containers.opening import Wanted
    from normscope.images.pixels import UnreadableImage

ROWS = 16
"""Read at a time, so that a column need not fit in memory."""

MOST_GROUP_BYTES = 2**26
"""A larger row group is read here in order and decoded by all workers: one alone would be slow."""

BUFFER_BYTES = 2**20


@dataclass(frozen=True)
class ParquetShard:
    """One row group, which a worker reads itself.

    Attributes:
        start: The position of its first image.
        count: How many images there are.
        units: Their share of the file.
        path: The file.
        column: The name of the column's bytes.
        group: The index of the row group.
        group_rows: How many rows that has.
        row: Of its first row, in the file.
        rows: The only ones wanted, counted from its first, or None for all.
    """

    start: int
    count: int
    units: float
    path: str
    column: str
    group: int
    group_rows: int
    row: int
    rows: tuple[int, ...] | None = None

    def images(self) -> Iterator[Item]:
        """Read and decode each row.

        Yields:
            Its position, its file and row, and its pixels or why it has none.
        """
        position = self.start
        wanted = None if self.rows is None else set(self.rows)
        rows = _rows(self.path, self.column, self.group, self.group_rows)
        for row, data in enumerate(rows):
            if wanted is None or row in wanted:
                yield decoded(position, _name(self.path, self.row + row), data)
                position += 1

    def only(self, rows: np.ndarray) -> ParquetShard:
        """Some of the rows."""
        return replace(self, rows=tuple(rows.tolist()), count=len(rows))

    def identity(self) -> str:
        """A digest of the row group's place, and of the file's size and time of change."""
        place = (self.start, self.path, self.column, self.group, self.rows, stamp(self.path))
        return digest("parquet", *place)


def open_stream(wanted: Wanted) -> Stream:
    """Open a Parquet file.

    Args:
        wanted: The file, and perhaps its column.

    Returns:
        Its images.
    """
    with _opened(wanted.path) as file:
        schema = file.schema_arrow
        return table_stream(
            wanted,
            schema,
            lambda name: _batches(file, leaf(schema, name), list(range(file.num_row_groups))),
            lambda column: _shards(wanted.path, leaf(schema, column)),
        )


def _shards(path: str, column: str) -> Iterator:
    with _opened(path) as file:
        # Never a column's metadata: where it is damaged, asking Arrow 26 for it ends the process.
        groups = [file.metadata.row_group(g) for g in range(file.num_row_groups)]
        sizes = [(group.num_rows, group.total_byte_size) for group in groups]
    total = sum(rows for rows, _ in sizes)
    row = 0
    for group, (rows, bytes_) in enumerate(sizes):
        if rows and bytes_ <= MOST_GROUP_BYTES:
            yield ParquetShard(row, rows, rows / total, path, column, group, rows, row)
        elif rows:
            yield from held_shards(_records(path, column, group, rows, row, total), row)
        row += rows


def _records(
    path: str, column: str, group: int, rows: int, first: int, total: int
) -> Iterator[Record]:
    for row, data in enumerate(_rows(path, column, group, rows), first):
        yield Record(_name(path, row), data, (row + 1 - first) / total)


def _rows(path: str, column: str, group: int, rows: int) -> Iterator[bytes | UnreadableImage]:
    met = 0
    with _opened(path) as file:
        for batch in _batches(file, column, [group]):
            met += len(batch)
            yield from encoded(batch)
        if met != rows:
            raise ValueError(f"{met} rows in a row group of {rows}")


def _batches(file: pq.ParquetFile, column: str, groups: list[int]):
    options = {"batch_size": ROWS, "row_groups": groups, "columns": [column], "use_threads": False}
    for batch in file.iter_batches(**options):
        yield batch.column(0)


def _name(path: str, row: int) -> str:
    return f"{path} row {row}"


def _opened(path: str) -> AbstractContextManager[pq.ParquetFile]:
    return whole_table(path, "Parquet file", _file)


@contextmanager
def _file(path: str) -> Iterator[pq.ParquetFile]:
    # Opened here first, which refuses a pipe; Arrow reads without Python's lock.
    with (
        open_binary(path) as raw,
        pq.ParquetFile(raw if is_remote(path) else path, buffer_size=BUFFER_BYTES) as file,
    ):
        yield file
