"""What the package ``datasets`` makes: the encoded images behind the column of images."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError
from normscope.images.collection import Stream, check_split_is_whole, joined
from normscope.images.containers.held import Record, held_shards
from normscope.images.containers.splits import of_split
from normscope.images.encoded import EncodedImage
from normscope.images.pixels import UnreadableImage

if TYPE_CHECKING:
    from collections.abc import Iterator


def open_data_set(source: Any, split: str | None) -> Stream | None:
    """Open what the package ``datasets`` makes.

    Reading the encoded bytes rather than what its Image feature decodes to, so that workers share
    the decoding and pixels are those of the files.

    Args:
        source: Anything.
        split: As of ``open_stream``; a DatasetDict has splits.

    Returns:
        Its images; None for other things, and for a data set whose items are to be taken as they
        are: without an Image column, with several, or with a format or transform of its own.

    Raises:
        NormscopeError: If it has no such split.
    """
    # Such a thing can only be met where the package has been imported.
    datasets = sys.modules.get("datasets")
    if datasets is None:
        return None
    name = type(source).__name__
    if isinstance(source, datasets.DatasetDict | datasets.IterableDatasetDict):
        return joined([_part(name, part) for part in of_split(name, source, split)], name)
    if not isinstance(source, datasets.Dataset | datasets.IterableDataset):
        return None
    check_split_is_whole(f"the {name}", split)
    images = [k for k, v in (source.features or {}).items() if isinstance(v, datasets.Image)]
    if len(images) != 1 or _has_format(source):
        return None
    column = images[0]
    undecoded = source.select_columns([column]).cast_column(column, datasets.Image(decode=False))
    count = len(source) if isinstance(source, datasets.Dataset) else None
    return Stream(
        name,
        lambda: held_shards(_records(undecoded, column, count)),
        lambda: None if count is None else 1.0,
    )


def _part(name: str, part: Any) -> Stream:
    found = open_data_set(part, None)
    if found is None:
        raise NormscopeError(
            f"each split of the {name} must have one column of the feature Image and no format, "
            f"got the columns {', '.join(part.column_names or []) or 'none'}. "
            "Give one split instead."
        )
    return found


def _has_format(source: Any) -> bool:
    formatting = getattr(source, "_formatting", None)
    return formatting is not None or getattr(source, "_format_type", None) is not None


def _records(undecoded: Any, column: str, count: int | None) -> Iterator[Record]:
    for row, item in enumerate(undecoded):
        value = item[column]
        data: bytes | UnreadableImage
        if value is None:
            data = UnreadableImage("a row without an image")
        elif value["bytes"] is not None:
            data = value["bytes"]
        else:
            try:
                data = EncodedImage(value["path"]).read()
            except UnreadableImage as error:
                data = error
        yield Record(f"row {row}", data, (row + 1) / count if count else 0.0)
