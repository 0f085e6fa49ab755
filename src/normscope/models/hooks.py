"""Hooks of a layer, or of all, for which it must be called as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.modules.module import _has_any_global_hook

if TYPE_CHECKING:
    from torch import nn


def has_hooks(module: nn.Module) -> bool:
    """Whether calling a module does more than its class says."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or _has_any_global_hook()
    )
