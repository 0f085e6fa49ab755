"""A user's own function or class, named on the command line."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from collections.abc import Callable


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
        NormscopeError: If it cannot be imported or called.
    """
    module_name, _, attribute = name.partition(":")
    working_folder = str(Path.cwd())
    if working_folder not in sys.path:
        sys.path.append(working_folder)
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:
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
