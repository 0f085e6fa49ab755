"""One call in this process, and what is a fault in how it ends."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import time
import traceback
import warnings
from typing import TYPE_CHECKING

from normscope import temporary_files
from normscope.cli.app import run
from normscope.temporary_files import OURS
from tests.fuzz.arguments import drawn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATUSES = {0, 1, 2, 130}
MOST_SECONDS, MOST_BYTES = 60, 4 * 2**30
FORBIDDEN = ("Traceback", "Aborted.", "INTERNAL ASSERT", "object at 0x", "\x1b[31mx")


class TooLong(BaseException):
    """A call that did not end; no handler of Exceptions takes it for something else."""


def fault_of(seed: str, seeds: Path, place: Path) -> tuple[list[str], str | None]:
    """Make the call of a seed.

    Args:
        seed: Decides the call and the damage to its files.
        seeds: What ``make_seeds`` wrote.
        place: A folder, in which one of its own is made and removed.

    Returns:
        The arguments, and what is at fault, or None.
    """
    rng = random.Random(seed)
    work = place / "work"
    work.mkdir()
    shutil.copytree(seeds / "photos", work / "photos")
    arguments = drawn(rng, seeds, work)
    before, outside = _held(work), _held(place, work)
    temporary_files._looked_at.clear()
    # Other tests of this process may have held more.
    began, most_held = time.monotonic(), _most_held()
    with _in(work), _limited(), contextlib.ExitStack() as stack:
        out = stack.enter_context(contextlib.redirect_stdout(_Stream()))
        err = stack.enter_context(contextlib.redirect_stderr(_Stream()))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        try:
            status = run(arguments)
        except TooLong:
            status = f"more than {MOST_SECONDS} s"
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - that none escapes is what is tested
            status = traceback.format_exc()
    fault = None
    if status not in STATUSES:
        fault = str(status)
    elif time.monotonic() - began > MOST_SECONDS:
        fault = f"{time.monotonic() - began:.0f} s"
    elif _most_held() > max(MOST_BYTES, most_held):
        fault = f"{_most_held() / 2**30:.1f} GB"
    else:
        fault = (
            _told(arguments, status, out.getvalue(), err.getvalue())
            or _written(before, _held(work), arguments)
            or ("a file outside of its place" if _held(place, work) != outside else None)
        )
    shutil.rmtree(work)
    return arguments, fault


def _most_held() -> int:
    """Bytes of memory that the process has held at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class _Stream(io.StringIO):
    """Standard output as the commands use it: with bytes below, and a name."""

    encoding = "utf-8"

    def __init__(self) -> None:
        super().__init__()
        self.buffer = io.BytesIO()


def _told(arguments: list[str], status: int, out: str, err: str) -> str | None:
    for word in FORBIDDEN:
        if word in out + err:
            return f"{word!r} in what is printed: {(out + err)[-500:]}"
    if status == 2 and not err:
        return "a wrong call without a word"
    if status == 0 and "--json" in arguments and arguments[arguments.index("--json") + 1] == "-":
        return _no_json(out)
    return None


def _no_json(text: str) -> str | None:
    def refuse(number: str) -> None:
        raise ValueError(number)

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError as error:
        return f"what is no JSON ({error}) on standard output: {text[:200]}"
    return None


def _written(
    before: dict[str, object], after: dict[str, object], arguments: list[str]
) -> str | None:
    """What is wrong with the files that a call left."""
    outs = {arguments[place + 1] for place, word in enumerate(arguments) if word in {"--out", "-o"}}
    for name, state in before.items():
        # A study that is reported on gains a log of SQLite's and results beside it.
        if after.get(name) != state and name not in {*outs, "summary.json"}:
            if name.startswith("study") and "/" in name and name in after:
                continue
            return f"the input {name!r} was changed"
    for name in after.keys() - before.keys():
        if OURS.fullmatch(name.rpartition("/")[2]):
            return f"a file that was begun and not finished: {name!r}"
    return None


def _held(folder: Path, apart_from: Path | None = None) -> dict[str, object]:
    held = {}
    for root, folders, names in os.walk(folder):
        if apart_from is not None and root == str(folder):
            folders[:] = [name for name in folders if folder / name != apart_from]
        for name in names:
            path = os.path.join(root, name)  # noqa: PTH118
            status = os.lstat(path)
            held[os.path.relpath(path, folder)] = (status.st_size, status.st_mtime_ns)
    return held


@contextlib.contextmanager
def _in(folder: Path) -> Iterator[None]:
    before = os.getcwd()  # noqa: PTH109
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
