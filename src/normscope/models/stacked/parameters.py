"""The weights of many LeNets, one row of numbers a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from normscope.models.lenet import LeNet

NAMES = (
    "conv1.weight",
    "conv1.bias",
    "conv2.weight",
    "conv2.bias",
    "fc1.weight",
    "fc1.bias",
    "fc2.weight",
    "fc2.bias",
)

ALIGNMENT = 64
"""Every tensor starts at a multiple of so many numbers, as vector loads of a GPU need it."""


@dataclass(frozen=True)
class Layout:
    """Where each tensor of a LeNet lies in its model's row.

    The first linear layer's weights lie by feature, so that those of a feature are beside each
    other.

    Attributes:
        starts: First number of each tensor, by name.
        shapes: The tensors' shapes, by name.
        length: Numbers in a row.
    """

    starts: dict[str, int]
    shapes: dict[str, tuple[int, ...]]
    length: int

    @classmethod
    def of(cls, model: LeNet) -> Layout:
        """The layout that suits a LeNet; all of a stack have the same shapes."""
        starts, shapes, end = {}, {}, 0
        for name in NAMES:
            parameter = model.get_parameter(name)
            starts[name], shapes[name] = end, tuple(parameter.shape)
            end += -(-parameter.numel() // ALIGNMENT) * ALIGNMENT
        return cls(starts, shapes, end)

    def views(self, rows: Tensor) -> dict[str, Tensor]:
        """Each tensor of every model by name, ``(models, *shape)``, in the rows' memory."""
        views = {}
        for name, shape in self.shapes.items():
            numbers = torch.Size(shape).numel()
            held = rows[:, self.starts[name] : self.starts[name] + numbers]
            by_feature = name == "fc1.weight"
            views[name] = (
                held.unflatten(1, shape[::-1]).mT if by_feature else held.unflatten(1, shape)
            )
        return views


def stack_rows(models: Sequence[LeNet], layout: Layout) -> Tensor:
    """The models' weights as rows.

    The first linear layer takes its features in the order height, width, channel, which is how
    pooled images lie in memory with their channels innermost.

    Returns:
        Shape ``(models, length)``, in the models' own type, on the CPU; padding is 0.
    """
    rows = torch.zeros(len(models), layout.length, dtype=models[0].conv1.weight.dtype)
    views = layout.views(rows)
    with torch.no_grad():
        for index, model in enumerate(models):
            for name in NAMES:
                views[name][index] = model.get_parameter(name)
            weight = model.fc1.weight.unflatten(1, (model.conv2.out_channels, -1))
            views["fc1.weight"][index] = weight.transpose(1, 2).flatten(1)
    return rows
