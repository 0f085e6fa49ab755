"""Another forward for one module alone, its own way at hand."""

from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING, Any

from torch.nn.modules.module import _has_any_global_hook

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    Forward = Callable[[Any, Tensor], Tensor]


def own_way(module: nn.Module) -> Forward:
    """What a module computes so far, as a function of the module and its input."""
    forward: Any = module.forward
    return forward.__func__


def replace_forward(module: nn.Module, forward: Forward) -> None:
    """Let a module compute otherwise.

    Args:
        module: Keeps its class, weights and hooks.
        forward: Gets the module first: bound to it, so that a copy computes with its own weights.
    """
    bound: Any = MethodType(forward, module)
    module.forward = bound


def is_watched(module: nn.Module) -> bool:
    """Whether hooks wait for a module to be called, or for any."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or _has_any_global_hook()
    )
