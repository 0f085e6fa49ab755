"""Tables of Arrow: which column holds encoded images, their bytes, and damage to the file."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from normscope.errors import NormscopeError
from normscope.images.collection import Stream, check_split_is_whole
from normscope.images.formats import HEAD, is_image
from normscope.images.pixels import UnreadableImage
from normscope.wording import first_line, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from normscope.images.containers.opening import Wanted
    from normscope.images.shards import Shard

Table = TypeVar("Table")

BYTES = "bytes"
"""The field of a Hugging Face image (``{bytes, path}``) that holds the file's bytes."""

MOST_NAMED = 12

LOOKED_AT = 64
"""Rows that tell which column of bytes holds images."""

DAMAGE = (pa.ArrowException, OSError, ValueError, MemoryError, KeyError)
"""What Arrow raises at damaged files."""


def table_stream(
    wanted: Wanted,
    schema: pa.Schema,
    head: Callable[[str], Iterator[pa.Array]],
    shards: Callable[[str], Iterator[Shard]],
) -> Stream:
    """The images of a table.

    Args:
        wanted: Its file, and perhaps its column.
        schema: The table's.
        head: Reads the first rows of a column.
        shards: Reads all rows of a column as images.

    Returns:
        The images, unread.
    """
    check_split_is_whole(wanted.path, wanted.split)
    column = _find_column(wanted.path, schema, wanted.part, head)
    notes = ()
    if wanted.part is None and len(schema.names) > 1:
        every = listed(schema.names, most=MOST_NAMED)
        notes = (f"Of the columns {every} {column} is taken, which alone holds images.",)
    return Stream(wanted.path, lambda: shards(column), lambda: 1.0, notes=notes)


@contextmanager
def whole_table(
    path: str, kind: str, opened: Callable[[str], AbstractContextManager[Table]]
) -> Iterator[Table]:
    """Open a table, and say in one sentence what is wrong with it.

    Args:
        path: Its file.
        kind: What it should be, such as ``Parquet file``.
        opened: Opens it.

    Yields:
        What it opened.

    Raises:
        NormscopeError: If it is damaged.
        GeneratorExit: If who reads it has read enough.
    """
    try:
        with opened(path) as table:
            yield table
    except (NormscopeError, GeneratorExit):
        raise
    except DAMAGE as error:
        raise NormscopeError(
            f"{path} must be a whole {kind}, got: {first_line(error)}. "
            "Copy it again, or write it again."
        ) from None


def _find_column(
    path: str, schema: pa.Schema, part: str | None, head: Callable[[str], Iterator[pa.Array]]
) -> str:
    candidates = [field.name for field in schema if _may_hold_images(field.type)]
    columns = f"the columns {listed([f'{f.name} ({f.type})' for f in schema][:20])}"
    if part is not None:
        if part not in candidates:
            met = columns if part not in schema.names else f"{part} ({schema.field(part).type})"
            raise NormscopeError(
                f"{path}::{part} must name a column of bytes or of Hugging Face images, "
                f"got {met if schema.names else 'no column'}. Choose another column."
            )
        return part
    are_images = [pa.types.is_struct(schema.field(name).type) for name in candidates]
    # One column of the type that only images have needs no look at its rows.
    if are_images != [True]:
        candidates = [name for name in candidates if _holds_images(head(name))]
    if len(candidates) > 1:
        raise NormscopeError(
            f"{path} must hold one column of images to know which is meant, got "
            f"{listed(candidates)}. Choose one, as {path}::{candidates[0]}."
        )
    if not candidates:
        raise NormscopeError(
            f"{path} must hold a column of encoded images (bytes, or Hugging Face's), "
            f"got {columns if schema.names else 'no column'}. Choose another file."
        )
    return candidates[0]


def leaf(schema: pa.Schema, column: str) -> str:
    """What Parquet calls the bytes of a column."""
    return f"{column}.{BYTES}" if pa.types.is_struct(schema.field(column).type) else column


def encoded(column: pa.Array) -> Iterator[bytes | UnreadableImage]:
    """The images in some rows of a column.

    Args:
        column: Bytes, or Hugging Face images.

    Yields:
        Each row's bytes, or why it has none.
    """
    if pa.types.is_struct(column.type):
        fields = [field.name for field in column.type]
        paths = column.field("path") if "path" in fields else None
        for row, data in enumerate(_values(column.field(BYTES))):
            path = None if data is not None or paths is None else paths[row].as_py()
            yield (
                data
                if data is not None
                else UnreadableImage(
                    "a row without bytes" if path is None else f"a path without bytes: {path}"
                )
            )
    else:
        for data in _values(column):
            yield UnreadableImage("a row without bytes") if data is None else data


def _values(column: pa.Array) -> Iterator[bytes | None]:
    return (value.as_py() for value in column)


def _may_hold_images(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        index = kind.get_field_index(BYTES)
        return index >= 0 and _is_bytes(kind.field(index).type)
    return _is_bytes(kind)


def _is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _holds_images(batches: Iterator[pa.Array]) -> bool:
    met = 0
    for batch in batches:
        for data in encoded(batch):
            if isinstance(data, bytes) and is_image(data[:HEAD]):
                return True
            met += 1
            if met >= LOOKED_AT:
                return False
    return met == 0
