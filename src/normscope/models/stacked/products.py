"""A stack's convolutions as batched matrix products over unfolded images."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from normscope.models.lenet import KERNEL
from normscope.models.stacked.trunk import Trunk, TrunkGradients

aten = torch.ops.aten


class ProductsTrunk(Trunk):
    """Every model apart in memory, and each convolution one product a model.

    Nine times the memory of the first layer's output, for products that run at full rate where
    grouped convolutions do not (https://github.com/pytorch/functorch/issues/365).
    """

    def forward(
        self, pixels: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor
    ) -> Tensor:
        """Features of every image by every model; see ``Trunk``."""
        models, images = len(weight1), len(pixels)
        height, width = pixels.shape[2] - 2, pixels.shape[3] - 2
        patches, hidden = first_layer(pixels, weight1, bias1)
        unfolded, matrix = patches_of(hidden), as_matrix(weight2)
        maps = torch.baddbmm(bias2[:, None], unfolded, matrix)
        maps = maps.view(models * images, height - 2, width - 2, -1).permute(0, 3, 1, 2)
        pooled, where = F.max_pool2d(maps, 2, return_indices=True)
        self._saved = (patches, hidden, unfolded, matrix, maps, where)
        return pooled.permute(0, 2, 3, 1).reshape(models, images, -1)

    def backward(self, gradient: Tensor) -> TrunkGradients:
        """Gradients at the last ``forward``, once; see ``Trunk``."""
        patches, hidden, unfolded, matrix, maps, where = self._saved
        self._saved = ()
        models, (height, width) = len(hidden), where.shape[2:]
        of_pooled = gradient.reshape(-1, height, width, where.shape[1])
        bias2 = of_pooled.view(models, -1, where.shape[1]).sum(1)
        of_maps = aten.max_pool2d_with_indices_backward(
            of_pooled.permute(0, 3, 1, 2), maps, [2, 2], [2, 2], [0, 0], [1, 1], False, where
        )
        del maps
        of_maps = of_maps.permute(0, 2, 3, 1).reshape(models, -1, where.shape[1])
        weight2 = torch.bmm(of_maps.transpose(1, 2), unfolded)
        of_hidden = _summed_patches(torch.bmm(of_maps, matrix.transpose(1, 2)), hidden)
        of_hidden = aten.threshold_backward(of_hidden, hidden, 0).flatten(1, 3)
        weight1 = torch.bmm(of_hidden.mT, patches.expand(models, -1, -1))
        return TrunkGradients(as_kernels(weight1), of_hidden.sum(1), as_kernels(weight2), bias2)


def first_layer(pixels: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """The pixels' patches, and what every model's first convolution and ReLU make of them.

    Args:
        pixels: Shape ``(N, C, H, W)``.
        weight: Shape ``(models, 32, C, 3, 3)``.
        bias: Shape ``(models, 32)``.

    Returns:
        Shapes ``(1, N (H - 2) (W - 2), 9 C)`` and ``(models, N, H - 2, W - 2, 32)``.
    """
    images, _, height, width = pixels.shape
    patches = patches_of(pixels.permute(0, 2, 3, 1)[None])
    # The same patches for every model: expanded, not copied.
    every = patches.expand(len(weight), -1, -1)
    hidden = torch.baddbmm(bias[:, None], every, as_matrix(weight)).relu_()
    return patches, hidden.unflatten(1, (images, height - 2, width - 2))


def patches_of(images: Tensor) -> Tensor:
    """The 3 x 3 pixels around every pixel that has all of them.

    Args:
        images: Shape ``(models, N, H, W, C)``.

    Returns:
        Shape ``(models, N (H - 2) (W - 2), 9 C)``.
    """
    windows = images.unfold(2, KERNEL, 1).unfold(3, KERNEL, 1)
    return windows.permute(0, 1, 2, 3, 5, 6, 4).flatten(4).flatten(1, 3)


def _summed_patches(patches: Tensor, like: Tensor) -> Tensor:
    """The transpose of ``patches_of``: every patch added back to where it was taken."""
    images = torch.zeros_like(like)
    height, width = like.shape[2] - 2, like.shape[3] - 2
    windows = patches.unflatten(1, (-1, height, width)).unflatten(4, (KERNEL, KERNEL, -1))
    for row in range(KERNEL):
        for column in range(KERNEL):
            images[:, :, row : row + height, column : column + width] += windows[
                :, :, :, :, row, column
            ]
    return images


def as_matrix(weight: Tensor) -> Tensor:
    """Kernels ``(models, out, in, 3, 3)`` as factors ``(models, 9 in, out)`` of patches."""
    return weight.permute(0, 3, 4, 2, 1).flatten(1, 3)


def as_kernels(matrix: Tensor) -> Tensor:
    """A gradient by patches ``(models, out, 9 in)`` as ``(models, out, in, 3, 3)``."""
    return matrix.unflatten(2, (KERNEL, KERNEL, -1)).permute(0, 1, 4, 2, 3)
