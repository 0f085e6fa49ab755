"""The first layer of many fresh LeNets."""

from __future__ import annotations

import numpy as np
import torch

from normscope.models.first_layer import describe_first_layer, find_first_layer
from normscope.models.lenet import LeNet

LABELS = ("weight mean", "weight std", "bias mean", "bias std")


def first_layers(draws: int) -> dict[str, np.ndarray]:
    """Describe the first layer's initial weights and biases, draw by draw.

    Args:
        draws: How many networks, seeded 0, 1, and so on.

    Returns:
        ``weight mean``, ``weight std``, ``bias mean`` and ``bias std``, each of shape ``(draws,)``.
    """
    found = []
    for seed in range(draws):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = LeNet()
        layer = find_first_layer(network, 1, (28, 28))
        found.append(describe_first_layer(layer))
    return {
        label: np.array([layer[label.replace(" ", "_")] for layer in found], float)
        for label in LABELS
    }
