"""A user's own function or class, named by the user; a file never chooses code."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError
from normscope.models.files.naming import names_file, names_source
from normscope.models.libraries import HUGGING_FACE, TIMM

if TYPE_CHECKING:
    from collections.abc import Callable


def names_code(model: str) -> bool:
    """Whether a model's name is that of a factory, which is imported and run.

    Args:
        model: As ``build_model`` takes it.

    Returns:
        True for ``package.module:factory``, and for the path of a file of code, whose import says
        how to name it.
    """
    if names_source(model):
        return True
    of_a_library = model.startswith((TIMM, HUGGING_FACE))
    return ":" in model and not of_a_library and not names_file(model)


def check_caller_named(model: str, named: str | None, file: str, option: str) -> None:
    """Refuse a factory that a file alone names, before it is imported.

    Files are passed on and opened by people who have not read them; to open one must not run code.

    Args:
        model: The model that the file names.
        named: The one that the caller names, if any.
        file: What errors call the file.
        option: What the caller writes in front of a model's name, such as ``"--model "``.

    Raises:
        NormscopeError: If the file names a factory that the caller does not, or the caller names
            another model.
    """
    if named == model or (named is None and not names_code(model)):
        return
    if not names_code(model):
        raise NormscopeError(
            f"the model must be the one that {file} names, {model}, got {named}. Leave it out."
        )
    asked = repr(model) if option.endswith("=") else model
    raise NormscopeError(
        f"the factory that {file} names must also be named by the caller before it is imported "
        f"and run, got {model} in the file and {named or 'none'} from the caller. "
        f"If you trust it, pass {option}{asked}."
    )


def import_callable(name: str, kind: str, noun: str, purpose: str) -> Callable[..., Any]:
    """Find what ``package.module:name`` names, without calling it.

    Args:
        name: With a colon; the working folder's modules are found too.
        kind: What errors call it, such as ``"model factory"``.
        noun: The same in a word, such as ``"factory"``.
        purpose: What it must do, such as ``"returns the network"``.

    Returns:
        The class or function.

    Raises:
        NormscopeError: If it is a path or has no colon, or cannot be imported or called.
    """
    if names_source(name):
        raise NormscopeError(
            f"{kind} must be package.module:{noun}, got the path {name}. {_by_module(name, noun)}"
        )
    if ":" not in name:
        raise NormscopeError(
            f"{kind} must be package.module:{noun}, got '{name}'. Name the callable behind a colon."
        )
    module_name, _, attribute = name.partition(":")
    working_folder = str(Path.cwd())
    if working_folder not in sys.path:
        sys.path.append(working_folder)
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:
        raise NormscopeError(
            f"{kind} {name} must import, got {type(error).__name__}: {error}. "
            f"Check the module's and the {noun}'s names."
        ) from error
    if not callable(found):
        raise NormscopeError(
            f"{kind} {name} must be callable, got {type(found).__name__}. "
            f"Name a class or function that {purpose}."
        )
    return found


def _by_module(name: str, noun: str) -> str:
    path, _, attribute = name.rpartition(".py")
    here = Path(os.path.relpath(path))
    inside = os.pardir not in here.parts
    module = ".".join(here.parts) if inside else here.name
    attribute = attribute.removeprefix(":")
    named = "" if attribute else f" with the {noun}'s name"
    found = "" if inside else f", and put {here.parent} on PYTHONPATH"
    return f"Write {module}:{attribute or noun.upper()}{named}{found}."
