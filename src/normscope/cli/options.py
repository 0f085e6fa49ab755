"""Options on the command line: those that a dataclass declares, and those of commands alone."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, is_dataclass
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import typer

from normscope.cli.output import say_what_loads
from normscope.errors import NormscopeError
from normscope.options import Option, declared
from normscope.studies.options import Place
from normscope.trials.options import TrialOptions
from normscope.writing import check_ours

if TYPE_CHECKING:
    from dataclasses import Field


def expanded(function: Callable[..., None], *, loads_torch: bool = True) -> Callable[..., None]:
    """A command that takes the options which its parameters' dataclasses declare.

    Args:
        function: Parameters whose type is a dataclass are made from its options, the others are
            the command's own.
        loads_torch: Whether it does, which takes seconds.

    Returns:
        What typer takes.
    """
    hints = get_type_hints(function, include_extras=True)
    kinds: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
    own = [
        parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in kinds
    ]
    options = {name: list(declared(kind)) for name, kind in kinds.items()}
    given = [_parameter(kinds[name], *pair) for name in kinds for pair in options[name]]

    @functools.wraps(function)
    def command(**values: Any) -> None:
        for name, kind in kinds.items():
            fields = {field.name: values.pop(field.name) for field, _ in options[name]}
            # What nobody gave, a list too, is None here and has its default there.
            values[name] = kind(**{n: value for n, value in fields.items() if value is not None})
        if loads_torch:
            say_what_loads()
        function(**values)

    every = [*(p for p in own if p.annotation is typer.Context), *given]
    every += [p for p in own if p.annotation is not typer.Context]
    vars(command)["__signature__"] = inspect.Signature(
        [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in every]
    )
    command.__annotations__ = {p.name: p.annotation for p in every}
    return command


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    # Words alone stand for a normalization and an array here, whose modules take long to import.
    return get_type_hints(kind, localns={"Normalization": str, "ndarray": list})


def _parameter(kind: Any, field: Field[Any], said: Option) -> inspect.Parameter:
    hint = _hints(kind)[field.name]
    parts = (hint,) if get_origin(hint) is Sequence else get_args(hint)
    only, *_ = [part for part in parts if part is not NoneType] or [hint]
    sequence = get_origin(only) is Sequence
    only = list[str] if sequence else only
    default = None if sequence and field.default is not MISSING else field.default
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if default is MISSING else default,
        annotation=Annotated[only | None if default is None else only, _typer(field, said)],
    )


def _typer(field: Field[Any], said: Option) -> Any:
    if said.argument:
        return typer.Argument(help=said.help, metavar=said.metavar)
    name = said.flag or f"--{field.name.replace('_', '-')}"
    # A flag that is on by default can only be turned off.
    on = field.default is True
    names = [f" /{name}"] if on else name.split()
    return typer.Option(
        *names,
        help=said.help,
        metavar=said.metavar,
        rich_help_panel=said.panel,
        show_default=not on,
    )


def _as(name: str, kind: type = TrialOptions) -> Any:
    """An option of a trial, for a command that takes a few of them."""
    return next(_typer(field, said) for field, said in declared(kind) if field.name == name)


def _json_target(target: str | None) -> str | None:
    """Refuse a place where nothing can be written before hours of work end there."""
    if target in {None, "-"}:
        return target
    path = Path(str(target))
    if path.is_dir():
        raise NormscopeError(
            f"--json must name a file, got the folder {path}. Name a file in it, or '-'."
        )
    if not path.parent.is_dir():
        raise NormscopeError(
            f"--json must lie in an existing folder, got {path}. Make {path.parent} first."
        )
    check_ours(path)
    return target


Root = Annotated[Path | None, _as("root")]
Storage = Annotated[str | None, _as("storage", Place)]
StudyName = Annotated[str | None, _as("study", Place)]
Json = Annotated[
    str | None,
    typer.Option(
        "--json",
        help="Write the result as JSON to this file, or to standard output with '-'.",
        callback=_json_target,
        metavar="FILE",
    ),
]
