"""The commands together, and how each ends."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated

import typer

from normscope.cli import (
    article,
    audit,
    cache,
    check,
    detect,
    fold,
    report,
    scan,
    search,
    stats,
    train,
)
from normscope.cli.output import printable
from normscope.errors import EXTRAS, MissingExtra, NormscopeError, WorkFailed

app = typer.Typer(
    name="normscope",
    help="Find out whether your image normalization matters, whether it is right, and what it "
    "should be.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for module in (stats, check, train, scan, search, fold, audit, detect, article, report, cache):
    name = module.__name__.rpartition(".")[2]
    app.command(name, epilog=module.EXAMPLE)(getattr(module, name))

NOT_WRITABLE = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EBUSY,
    errno.EFBIG,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


def run(arguments: list[str]) -> int:
    """Run one command.

    Args:
        arguments: What stands behind ``normscope`` on the command line.

    Returns:
        The exit status: 0 when done, 1 when the work failed, 2 when the call was wrong, 130 after
        Ctrl-C.

    Raises:
        ModuleNotFoundError: If a package is missing that no extra brings.
        OSError: If the system failed in a way that is not about writing a file.
    """
    try:
        return _run(arguments)
    except NormscopeError as error:
        print(f"normscope: {printable(str(error))}", file=sys.stderr)  # noqa: T201 - the one place that says so
        return error.exit_status
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        print(f"normscope: {MissingExtra(error.name)}", file=sys.stderr)  # noqa: T201 - likewise
        return MissingExtra.exit_status
    except BrokenPipeError:
        # Whoever read it has read enough.
        _drop_output()
        return WorkFailed.exit_status
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        print(  # noqa: T201 - likewise
            f"normscope: {error.filename2 or error.filename or 'the output'} must be writable, "
            f"got: {error.strerror}. Free up space, fix the permissions or choose another place.",
            file=sys.stderr,
        )
        return NormscopeError.exit_status


def _run(arguments: list[str]) -> int:
    if sys.stdout is None:
        raise NormscopeError(
            "standard output must be open, got it closed. Send it to a file or to /dev/null."
        )
    status = 0
    try:
        app(arguments, prog_name="normscope")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0
    try:
        # Here, where it can be said that the disk is full.
        sys.stdout.flush()
    except OSError:
        _drop_output()
        raise
    return status


def _drop_output() -> None:
    """Let what standard output still holds go nowhere, or Python would fail again as it ends."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _show_version(wanted: bool) -> None:
    if wanted:
        from normscope.cli.version import version_line

        print(version_line())  # noqa: T201 - what the user asked for
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and commit."
        ),
    ] = False,
) -> None: ...
