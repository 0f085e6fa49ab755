"""What trainings put around a network, and what exports make of it."""

from __future__ import annotations

import sys
from typing import Any

from torch import fx, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.optim.swa_utils import AveragedModel


def unwrapped(model: Any) -> Any:
    """The network in what several processes, an average or a compiler have put around it.

    Args:
        model: Any network, or a function or a name, which stay as they are.

    Returns:
        The network that its caller wrote, which gives the same outputs.
    """
    while isinstance(model, nn.Module):
        inner = getattr(model, "_orig_mod", None)  # of torch.compile
        if isinstance(model, DataParallel | DistributedDataParallel | AveragedModel):
            inner = model.module
        if not isinstance(inner, nn.Module):
            break
        model = inner
    return model


def is_exported(model: Any) -> bool:
    """Whether it is what ``torch.export`` makes, or the module of that, which has its shapes."""
    export = sys.modules.get("torch.export")  # takes long to import
    if export is not None and isinstance(model, export.ExportedProgram):
        return True
    if not isinstance(model, fx.GraphModule):
        return False
    return any("val" in node.meta for node in model.graph.find_nodes(op="placeholder"))
