"""Options as the caller writes them: ``--scale 1`` on the command line, ``scale=1`` in Python.

Errors, warnings and results are written in the command line's words. Where a Python caller gets
them, they name arguments.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_NAMED = ContextVar("_NAMED", default=False)
"""Whether errors already get the words of whoever called first."""

_COMMANDS: list[None] = []
"""One entry while a command runs, in whichever thread."""

OPTION = re.compile(
    r"(?<![\w-])--([a-z][a-z0-9-]*[a-z0-9])"
    r"(?:[ =]('[^']*'|[^\s'\"()]*[^\s'\"().,;:]))?"
)

NO_VALUES = re.compile(
    r"alone|also|and|are|as|at|bands|brings|by|changes|compares|divides|for|gives|has|holds|if|in|"
    r"is|lies|means|must|needs|of|or|puts|says|so|such|tells|than|that|the|to|under|where|which|"
    r"with|without|begin|loses|makes|may|names|need|too"
)
"""Words that go on with the sentence behind an option; all others are a value of it."""

OFF = "no-"
"""How the option starts that turns off what is on by default."""


@contextmanager
def named_for(arguments: Collection[str]) -> Iterator[None]:
    """Let errors name the arguments of a Python function in place of options.

    Args:
        arguments: Of the function, which others that are called within do not change; none on the
            command line.

    Yields:
        Nothing.

    Raises:
        NormscopeError: With these words.
    """
    if _NAMED.get():
        yield
        return
    token = _NAMED.set(True)
    commands = [] if arguments else [None]
    _COMMANDS.extend(commands)
    try:
        yield
    except NormscopeError as error:
        error.args = (as_arguments(str(error), arguments), *error.args[1:])
        raise
    finally:
        _NAMED.reset(token)
        del _COMMANDS[len(_COMMANDS) - len(commands) :]


def for_caller(sentence: str) -> str:
    """A warning, or a sentence of a result, in the words of whoever gets it.

    Args:
        sentence: As the command line has it.

    Returns:
        As it is while a command runs, else with arguments in place of options.

    Example:
        >>> for_caller("Its curve has not settled: more --epochs may raise the accuracy.")
        'Its curve has not settled: more epochs may raise the accuracy.'
    """
    return sentence if _COMMANDS else as_arguments(sentence)


def as_arguments(sentence: str, arguments: Collection[str] | None = None) -> str:
    """A sentence on options as one on arguments.

    Args:
        sentence: As the command line has it.
        arguments: Which may be given; other options stay. None if all may be.

    Returns:
        The sentence.

    Example:
        >>> as_arguments("Pass --scale 1, or --no-batchnorm.", ["scale", "batchnorm"])
        'Pass scale=1, or batchnorm=False.'
        >>> as_arguments("--resize must be larger than --crop.", ["resize", "crop"])
        'resize must be larger than crop.'
    """

    def argument(found: re.Match[str]) -> str:
        name, value = found[1].replace("-", "_"), found[2] or ""
        after = found[0][len(f"--{found[1]}") :]
        on = found[1].removeprefix(OFF)
        if on != found[1] and (arguments is None or on in arguments):
            return f"{on}=False{after}"
        if arguments is not None and name not in arguments:
            return found[0]
        if not value or NO_VALUES.fullmatch(value):
            return f"{name}{after}"
        plain = value[0] == "'" or re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", value)
        return f"{name}={value if plain else repr(value)}"

    return OPTION.sub(argument, sentence)


def advice_on_code(value: object) -> str:
    """What to give in place of a network or function where only a text can be repeated.

    Args:
        value: Whatever was given.

    Returns:
        Advice in a sentence.

    Example:
        >>> import collections
        >>> advice_on_code(collections.OrderedDict), advice_on_code(3)
        ("Give its name, 'collections:OrderedDict'.", 'Convert it.')
    """
    if not callable(value):
        return "Convert it."
    name = str(getattr(value, "__qualname__", ""))
    if not name or "<" in name or value.__module__ == "__main__":
        return "Put what makes it into a module and give the function's name, 'module:function'."
    return f"Give its name, '{value.__module__}:{name}'."
