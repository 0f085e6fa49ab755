"""At which levels a network's layers work under one normalization, where they can be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from normscope.detection.answers import Asking
    from normscope.detection.candidates import Candidate

LINEAR = (nn.Conv2d, nn.Linear)
SMALLEST = 1e-6


def reachable(network: Any) -> bool:
    """Whether a network's layers can be watched."""
    return isinstance(network, nn.Module) and any(
        isinstance(module, LINEAR) for module in network.modules()
    )


def layer_levels(network: nn.Module, asking: Asking, candidate: Candidate) -> np.ndarray:
    """Levels of the outputs of all linear layers and convolutions, channel by channel.

    Args:
        network: Its modules are watched.
        asking: The same network with images.
        candidate: How they are normalized.

    Returns:
        For each layer that was met, in order: mean over its channels of how many stds the mean
        lies from 0; mean and standard deviation over channels of the log std; share of channels
        that are nearly always of one sign. Shape ``(layers, 4)``.
    """
    met: list[np.ndarray] = []

    def watch(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            axis = 1 if isinstance(module, nn.Conv2d) else -1
            met.append(_levels(output.detach().movedim(axis, 0).flatten(1).float()))

    _ = asking.layout  # which runs the network once more
    hooks = [m.register_forward_hook(watch) for m in network.modules() if isinstance(m, LINEAR)]
    try:
        asking.log_probabilities(candidate.normalization, candidate.order)
    finally:
        for hook in hooks:
            hook.remove()
    return np.array(met)


def _levels(outputs: Tensor) -> np.ndarray:
    mean, std = outputs.mean(1), outputs.std(1).clamp(min=SMALLEST)
    logs = std.log()
    positive = (outputs > 0).float().mean(1)
    one_sided = ((positive < 0.02) | (positive > 0.98)).float().mean()
    spread = logs.std() if len(logs) > 1 else logs.new_zeros(())
    return torch.stack([(mean / std).abs().mean(), logs.mean(), spread, one_sided]).cpu().numpy()
