"""A stack's convolutions as one dense and one grouped convolution of the library."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from normscope.models.stacked.trunk import Trunk, TrunkGradients

aten = torch.ops.aten


class GroupedTrunk(Trunk):
    """Every model's channels side by side: the batch is shared, and a group is a model.

    HFTA (Wang et al., 2021, MLSys, https://arxiv.org/abs/2102.02344) trains models together this
    way, on as many copies of the batch; here the first convolution is dense and needs none.

    Activations keep their channels innermost in memory, where CPUs pool ten times faster and a
    stack of one is a plain convolution.
    """

    def forward(
        self, pixels: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor
    ) -> Tensor:
        """Features of every image by every model; see ``Trunk``."""
        models = len(weight1)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        weight1, weight2 = weight1.flatten(0, 1), weight2.flatten(0, 1)
        hidden = F.conv2d(pixels, weight1, bias1.flatten()).relu_()
        maps = F.conv2d(hidden, weight2, bias2.flatten(), groups=models)
        pooled, where = F.max_pool2d(maps, 2, return_indices=True)
        self._saved = (pixels, weight1, hidden, weight2, maps, where)
        return self._features(pooled, models)

    def backward(self, gradient: Tensor) -> TrunkGradients:
        """Gradients at the last ``forward``, once; see ``Trunk``."""
        pixels, weight1, hidden, weight2, maps, where = self._saved
        self._saved = ()
        models = len(gradient)
        of_pooled = self._maps(gradient, where.shape[2:])
        # Pooling hands each gradient to one pixel, so their sum is the same on both sides of it.
        bias2 = of_pooled.sum((0, 2, 3))
        of_maps = aten.max_pool2d_with_indices_backward(
            of_pooled, maps, [2, 2], [2, 2], [0, 0], [1, 1], False, where
        )
        del maps
        of_hidden, of_weight2, _ = _convolution_backward(
            of_maps, hidden, weight2, models, (True, True, False)
        )
        of_hidden = aten.threshold_backward.grad_input(of_hidden, hidden, 0, grad_input=of_hidden)
        _, of_weight1, bias1 = _convolution_backward(
            of_hidden, pixels, weight1, 1, (False, True, True)
        )
        return TrunkGradients(
            of_weight1.unflatten(0, (models, -1)),
            bias1.unflatten(0, (models, -1)),
            of_weight2.unflatten(0, (models, -1)),
            bias2.unflatten(0, (models, -1)),
        )

    def _features(self, pooled: Tensor, models: int) -> Tensor:
        by_model = pooled.unflatten(1, (models, -1))  # N, models, 64, height, width
        return by_model.permute(1, 0, 3, 4, 2).flatten(2)

    def _maps(self, gradient: Tensor, size: torch.Size) -> Tensor:
        height, width = size
        maps = gradient.unflatten(2, (height, width, -1)).permute(1, 0, 4, 2, 3)
        return maps.flatten(1, 2).contiguous(memory_format=torch.channels_last)


def _convolution_backward(
    gradient: Tensor, images: Tensor, weight: Tensor, groups: int, wanted: tuple[bool, ...]
) -> tuple[Tensor, Tensor, Tensor]:
    return aten.convolution_backward(
        gradient,
        images,
        weight,
        [len(weight)],
        [1, 1],
        [0, 0],
        [1, 1],
        False,
        [0, 0],
        groups,
        wanted,
    )
