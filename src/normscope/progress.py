"""How far a long work is, and how much time is left: a bar, or lines in a log."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from normscope.wording import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Tell = Callable[[int, int | None], None]

PATIENCE_SECONDS = 1.0
"""Work that is done sooner shows nothing in a notebook."""

EVERY_SECONDS = 0.2

FIRST_LINE_SECONDS = 30.0
"""Work that is done sooner writes no line into a log."""

MORE_BETWEEN_LINES = 0.1
"""Of the time that has passed, and at least ``FIRST_LINE_SECONDS``: a night takes some 60 lines."""


@contextmanager
def progress(what: str) -> Iterator[Tell]:
    """Show on standard error how far a block is: a bar in a terminal, now and then a line in a log.

    The bar appears with the first count. A thread draws it, and until then this process can be
    forked.

    Args:
        what: What is counted, such as ``"trials"``.

    Yields:
        A function that takes how many are done and how many there are.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(what).update
        return
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task(what, total=None)

    def update(done: int, total: int | None) -> None:
        bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield update
    finally:
        bar.stop()


@contextmanager
def watched(tell: Callable[[int, int], None] | None, what: str) -> Iterator[Tell]:
    """Tell a Python caller how far it is: the function that was given, else whoever looks on.

    In a notebook and in an interactive Python there is a bar, in a script nothing, which are the
    usual ways of tqdm and Lightning.

    Args:
        tell: What the caller gave.
        what: What is counted, such as ``"trials"``.

    Yields:
        A function that takes how many are done and how many there are.
    """
    if tell is not None:
        given = tell
        yield lambda done, total: given(done, done if total is None else total)
    elif hasattr(_shell(), "kernel"):
        bar = _NotebookBar(what)
        try:
            yield bar.update
        finally:
            bar.close()
    elif is_interactive():
        with progress(what) as update:
            yield update
    else:
        yield silent


def silent(_done: int, _total: int | None) -> None:
    """Tell nobody."""


def is_interactive() -> bool:
    """Whether somebody looks on: in a notebook, IPython or Python's own shell."""
    return _shell() is not None or hasattr(sys, "ps1")


def _shell() -> Any:
    """IPython's, where the caller runs in one."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


class _Pace:
    """How fast a work goes on, from the first count: what came before says nothing of that."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def of(self, done: int, total: int | None) -> tuple[float, str]:
        """The seconds since then, and how long the rest takes as the end of a sentence."""
        now = time.monotonic()
        self._first = self._first or (done, now)
        new, elapsed = done - self._first[0], now - self._first[1]
        if not (total and new):
            return elapsed, ""
        return elapsed, f", about {duration(elapsed / new * (total - done))} left"


class _Lines:
    """Lines for a file or a service that keeps what commands write."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._pace = _Pace()
        self._next = FIRST_LINE_SECONDS

    def update(self, done: int, total: int | None) -> None:
        elapsed, left = self._pace.of(done, total)
        if elapsed < self._next or done == total:
            return
        self._next = elapsed + max(FIRST_LINE_SECONDS, MORE_BETWEEN_LINES * elapsed)
        of = f" of {total:,}" if total else ""
        line = f"{self._what}: {done:,}{of} after {duration(elapsed)}{left}"
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - no answer, and nothing to parse


class _NotebookBar:
    """A bar of plain HTML: rich's and tqdm's need ipywidgets, which not every notebook has."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._pace = _Pace()
        self._next = PATIENCE_SECONDS
        self._handle: Any = None

    def update(self, done: int, total: int | None) -> None:
        elapsed, left = self._pace.of(done, total)
        if elapsed < self._next:
            return
        self._next = elapsed + EVERY_SECONDS
        self._show(self._html(done, total, left))

    def close(self) -> None:
        if self._handle is not None:
            self._show("")

    def _html(self, done: int, total: int | None, left: str) -> str:
        if not total:
            return f"<progress></progress> {done:,} {self._what}"
        bar = f'<progress max="{total}" value="{done}"></progress>'
        return f"{bar} {done:,} of {total:,} {self._what}{left}"

    def _show(self, html: str) -> None:
        from IPython.display import HTML, display  # pyright: ignore[reportMissingImports]

        if self._handle is None:
            self._handle = display(HTML(html), display_id=True)
        else:
            self._handle.update(HTML(html))
