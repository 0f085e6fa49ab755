"""``normscope cache``: which decoded images are kept, and how to remove them."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from normscope.cli import options
from normscope.cli.output import show, write_json
from normscope.wording import counted

if TYPE_CHECKING:
    from rich.table import Table

    from normscope.images.cache import CachedImages

EXAMPLE = "Example: normscope cache --clear"


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove all of them.")] = False,
    json: options.Json = None,
) -> None:
    """Which decoded images are kept, and how much space do they take?"""
    from normscope.images.cache import cache_folder, cached, clear_cache

    folder = cache_folder() / "decoded"
    if clear:
        freed = clear_cache()
        show(f"{freed / 1e6:.1f} MB freed in {folder}.", json_target=json)
        write_json({"folder": str(folder), "freed_bytes": freed}, json)
        return
    entries = cached()
    total = sum(entry.bytes_ for entry in entries)
    tables = [_table(entries)] if entries else []
    show(
        *tables,
        f"{counted(len(entries), 'file')}, {total / 1e6:.1f} MB in {folder}.",
        json_target=json,
    )
    listed = [
        {"path": str(e.path), "source": e.source, "bytes": e.bytes_, "used": _time(e.used)}
        for e in entries
    ]
    write_json({"folder": str(folder), "bytes": total, "entries": listed}, json)


def _table(entries: list[CachedImages]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table("source", "MB", "last used")
    for entry in entries:
        table.add_row(escape(entry.source), f"{entry.bytes_ / 1e6:.1f}", _time(entry.used))
    return table


def _time(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="seconds")
