"""What commands print: for people, or JSON for programs, never both in one stream."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from normscope.errors import printable, shortened
from normscope.wording import counted, plural
from normscope.writing import json_text, write_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from normscope.images.decoded import DecodedSource, Skipped

    Update = Callable[[int, int], None]

MOST_LISTED = 10

MOST_COLUMNS = 10_000


@dataclass(frozen=True)
class PlainTable:
    """A table as text.

    Attributes:
        headings: Of its columns.
        rows: A text for each column.
        padding: Blanks on both sides of a column.
    """

    headings: list[str]
    rows: list[list[str]]
    padding: int = 1

    def drawn(self) -> Table:
        """The table for a terminal."""
        headings = ["\n".join(map(printable, text.split("\n"))) for text in self.headings]
        rows = [[printable(text) for text in row] for row in self.rows]
        table = Table(*headings, box=box.SIMPLE_HEAD, padding=(0, self.padding))
        words = [word for row in rows for word in row[0].split(" ")]
        table.columns[0].min_width = max(map(len, words), default=0)
        for row in rows:
            table.add_row(*row)
        return table


def show(*parts: str | Table | PlainTable, json_target: str | None) -> None:
    """Print for people, unless standard output is JSON's.

    Args:
        parts: Sentences and tables.
        json_target: What ``--json`` was given.
    """
    if json_target != "-":
        console = Console(soft_wrap=True)
        for part in parts:
            if isinstance(part, str):
                console.print(printable(part), highlight=False, markup=False)
            else:
                table = part.drawn() if isinstance(part, PlainTable) else part
                _console_for(table).print(table, highlight=False, markup=False)


def _console_for(table: Table) -> Console:
    """The console, wider than a narrow terminal where numbers would be cut off."""
    console = Console(soft_wrap=True)
    unbounded = console.options.update(max_width=MOST_COLUMNS)
    for column in table.columns:
        if column.overflow != "fold":
            cells = (column.header, *column.cells)
            sizes = [console.measure(cell, options=unbounded) for cell in cells]
            needed = [size.maximum if column.no_wrap else size.minimum for size in sizes]
            column.min_width = max(column.min_width or 0, *needed)
    console.width = max(console.width, console.measure(table, options=unbounded).minimum)
    return console


def note(text: str) -> None:
    """Tell the user something on standard error."""
    Console(stderr=True, soft_wrap=True).print(printable(text), highlight=False, markup=False)


def say_what_loads() -> None:
    """Say why nothing happens for some seconds, to whoever sits at a terminal."""
    watched = sys.stderr is not None and sys.stderr.isatty()
    if watched and "torch" not in sys.modules and importlib.util.find_spec("torch"):
        note("Loading torch ...")


@contextmanager
def resumable(folder: Path, storage: str | None, update: Update) -> Iterator[Update]:
    """Say after an interruption what of a study is kept.

    Args:
        folder: Where finished trials are kept.
        storage: The database where they are kept instead.
        update: Called with how many trials are finished and how many there are.

    Yields:
        What is to be called in its place.

    Raises:
        KeyboardInterrupt: The interruption itself.
    """
    finished = 0

    def noted(done: int, total: int) -> None:
        nonlocal finished
        finished = done
        update(done, total)

    try:
        yield noted
    except KeyboardInterrupt:
        kept = f"kept in {folder}" if storage is None else "kept in the database of --storage"
        verb = "is" if finished == 1 else "are"
        note(
            f"{counted(finished, 'finished trial')} {verb} {kept}; run the same command to resume."
            if finished
            else "No trial has finished; run the same command to begin again."
        )
        raise


def write_json(data: dict[str, Any], target: str | None) -> None:
    """Write a command's result where ``--json`` says.

    Args:
        data: Plain values, all finite.
        target: A file's path, ``"-"`` for standard output, or None for nowhere.
    """
    if target is None:
        return
    if target == "-":
        sys.stdout.write(json_text(data))
    else:
        write_numbers(Path(target), data)


def note_source(source: DecodedSource) -> None:
    """Say what of a source is not used, what it is taken for, and where a test split comes from.

    Args:
        source: As decoded.
    """
    for sentence in (source.held_out, source.passed_over, *source.noticed):
        if sentence:
            note(sentence)
    note_skipped(source.skipped)


def note_skipped(skipped: Iterable[Skipped]) -> None:
    """List the images that could not be read."""
    listed = list(skipped)
    if not listed:
        return
    verb = "were" if len(listed) > 1 else "was"
    note(f"{len(listed)} unreadable {plural(len(listed), 'image')} {verb} skipped:")
    for image in listed[:MOST_LISTED]:
        note(shortened(printable(f"  {image.path}: {image.reason}")))
    if len(listed) > MOST_LISTED:
        note(f"  and {len(listed) - MOST_LISTED} more")
