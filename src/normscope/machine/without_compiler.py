"""Doing without torch's compiler where nothing is compiled: importing it takes seconds."""

from __future__ import annotations

import importlib
import sys
import threading
from contextlib import contextmanager
from functools import cache, partial, wraps
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COMPILER = ("torch._dynamo", "torch._dynamo.utils")

_lock = threading.RLock()


def import_torchvision() -> None:
    """Import torchvision's models and transforms, to be called before anything of it is imported.

    By itself it imports the compiler, to ask whether an operator can be compiled and to leave one
    function alone, and so takes several times as long.
    """
    if "torchvision.transforms.v2" not in sys.modules:
        with without_compiler():
            importlib.import_module("torchvision")
            importlib.import_module("torchvision.transforms.v2")


@contextmanager
def without_compiler() -> Iterator[None]:
    """Keep the compiler from being imported for what it can also be asked later.

    That is whether something can be compiled, and that a function is to be left alone. Until then
    it has a stand-in; if anything else is asked of it meanwhile, it is imported.
    """
    import torch  # noqa: F401 - the parent of what is stood in for

    with _lock:
        if COMPILER[0] not in sys.modules:
            sys.modules.update({name: _StandIn(name) for name in COMPILER})
        try:
            yield
        finally:
            _remove_stand_ins()


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name == "is_compile_supported":
            return lambda device: _compiler(self, name)(device)  # noqa: PLW0108 - later
        if name == "disable":
            return partial(_left_alone, self)
        submodule = name == "__path__" and self.__name__ == COMPILER[0]
        if name.startswith("__") and not submodule:  # inspect asks every module for its file
            raise AttributeError(name)
        return _compiler(self, name)


def _compiler(stand_in: ModuleType, name: str) -> Any:
    _remove_stand_ins()
    return getattr(importlib.import_module(stand_in.__name__), name)


def _remove_stand_ins() -> None:
    for name in COMPILER:
        if isinstance(sys.modules.get(name), _StandIn):
            del sys.modules[name]


def _left_alone(
    stand_in: ModuleType, function: Callable[..., Any] | None = None, *given: Any, **options: Any
) -> Callable[..., Any]:
    """A function that the compiler leaves alone from the moment on at which there is one."""
    if function is None:  # a decorator is asked for
        return _compiler(stand_in, "disable")(function, *given, **options)

    @cache
    def disabled() -> Callable[..., Any]:
        return sys.modules[COMPILER[0]].disable(function, *given, **options)

    @wraps(function)
    def called(*arguments: Any, **keywords: Any) -> Any:
        compiler = sys.modules.get(COMPILER[0])
        some = function if compiler is None or isinstance(compiler, _StandIn) else disabled()
        return some(*arguments, **keywords)

    return called
