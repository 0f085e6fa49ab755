"""Arrow files and streams (Feather 2, and what ``datasets`` writes) with a column of images."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa

from normscope.images.containers.columns import encoded, table_stream, whole_table
from normscope.images.containers.held import Record, held_shards
from normscope.images.encoded import open_binary
from normscope.images.urls import is_remote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from normscope.images.collection import Stream
    from normscope.images.containers.opening import Wanted

    Opened = tuple[pa.Schema, Iterator[tuple[pa.RecordBatch, float]]]

FILE_MAGIC = b"ARROW1"
"""Of a file with random access; a stream has none."""


def open_stream(wanted: Wanted) -> Stream:
    """Open an Arrow file or stream.

    Args:
        wanted: The file, and perhaps its column.

    Returns:
        Its images.
    """
    path = wanted.path

    def head(name: str) -> Iterator[pa.Array]:
        with _opened(path) as (_, batches):
            for batch, _share in batches:
                yield _column(batch, name)

    with _opened(path) as (schema, _):
        return table_stream(
            wanted, schema, head, lambda column: held_shards(_records(path, column))
        )


def _records(path: str, column: str) -> Iterator[Record]:
    row, done = 0, 0.0
    with _opened(path) as (_, batches):
        for batch, share in batches:
            for index, data in enumerate(encoded(_column(batch, column)), 1):
                at = done + (share - done) * index / batch.num_rows
                yield Record(f"{path} row {row}", data, at)
                row += 1
            done = share


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    column = batch.column(batch.schema.get_field_index(name))
    # Offsets come from the file, and nothing else keeps them inside it.
    column.validate(full=True)
    return column


def _batches(source: pa.NativeFile, size: int, reader) -> Iterator[tuple[pa.RecordBatch, float]]:
    if isinstance(reader, pa.RecordBatchFileReader):
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index), (index + 1) / reader.num_record_batches
    else:
        for batch in reader:
            yield batch, min(1.0, source.tell() / size)


def _opened(path: str) -> AbstractContextManager[Opened]:
    return whole_table(path, "Arrow file or stream", _reader)


@contextmanager
def _reader(path: str) -> Iterator[Opened]:
    with open_binary(path) as raw:
        magic = raw.read(len(FILE_MAGIC))
        size = raw.seek(0, 2)
        raw.seek(0)
        # Mapped, because one batch may be larger than memory.
        with pa.PythonFile(raw, "r") if is_remote(path) else pa.memory_map(path) as source:
            is_file = magic == FILE_MAGIC
            reader = (pa.ipc.open_file if is_file else pa.ipc.open_stream)(source)
            yield reader.schema, _batches(source, size, reader)
