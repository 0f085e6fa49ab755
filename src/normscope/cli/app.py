"""The commands together, and how each ends."""

from __future__ import annotations

import importlib
import os
import string
import sys
from typing import Annotated, Any

import typer

from normscope.arguments import named_for
from normscope.errors import EXTRAS, MissingExtra, NormscopeError, WorkFailed, printable
from normscope.system_errors import in_sentences

COMMANDS = (
    "stats",
    "check",
    "train",
    "scan",
    "search",
    "fold",
    "audit",
    "detect",
    "article",
    "report",
    "cache",
)
"""In the order of the help; each has a module of its name."""


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
        with named_for(()), in_sentences():
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


def _run(arguments: list[str]) -> int:
    if sys.stdout is None:
        raise NormscopeError(
            "standard output must be open, got it closed. Send it to a file or to /dev/null."
        )
    # As of other tools: "normscope help scan", "normscope version".
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:2], "--help"]
    elif arguments == ["version"]:
        arguments = ["--version"]
    _check_values(arguments)
    status = 0
    try:
        command_line(arguments)(arguments, prog_name="normscope")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0
    try:
        # Here, where it can be said that the disk is full.
        sys.stdout.flush()
    except OSError:
        _drop_output()
        raise
    return status


def _check_values(arguments: list[str]) -> None:
    """Refuse an empty value: as a path it would mean the current folder."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        option, equals, value = argument.partition("=")
        if argument and not (equals and not value and option.startswith("--")):
            continue
        takes_it = before[:1] == "-" and before[1:2] not in string.digits
        if not argument:
            option = before if takes_it and before not in _flags(arguments) else "every argument"
        raise NormscopeError(
            f"{option} must have a value, got an empty one, as from an unset variable. "
            "Give one, or leave it out."
        )


def _flags(arguments: list[str]) -> set[str]:
    command: Any = typer.main.get_command(command_line(arguments))
    command = command.commands.get(arguments[0], command)
    flags = [option for option in command.params if getattr(option, "is_flag", False)]
    return {name for flag in flags for name in (*flag.opts, *flag.secondary_opts)}


def _drop_output() -> None:
    """Let what standard output still holds go nowhere, or Python would fail again as it ends."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _show_version(wanted: bool) -> None:
    if wanted:
        from normscope.cli.version import version_line

        print(version_line())  # noqa: T201 - what the user asked for
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            "-V",
            callback=_show_version,
            is_eager=True,
            help="Show the version and commit.",
        ),
    ] = False,
) -> None: ...


def command_line(arguments: list[str]) -> typer.Typer:
    """The command that is asked for, or all: the options of those beside it would cost 0.1 s."""
    app = typer.Typer(
        name="normscope",
        help="Find out whether your image normalization matters, whether it is right, and what it "
        "should be.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback()(_options)
    for name in arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS:
        module = importlib.import_module(f"normscope.cli.{name}")
        app.command(name, epilog=module.EXAMPLE)(getattr(module, name))
    return app
