"""LeNet's convolutions on a CPU, the second with a quarter of the multiplications."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from normscope.machine.parts import each
from normscope.models.lenet import HIDDEN, MAPS
from normscope.models.stacked import sparse_passes, winograd_passes
from normscope.models.stacked.sparse_features import SPARSE, SparseFeatures
from normscope.models.stacked.trunk import Trunk, TrunkGradients
from normscope.models.stacked.winograd_geometry import GROUP, Geometry
from normscope.models.winograd import passes
from normscope.models.winograd.factors import factors_of, weight_gradient
from normscope.models.winograd.matrices import TAPS
from normscope.models.winograd.tiles import TransformedTiles, flat, groups

if TYPE_CHECKING:
    from torch import Tensor


class _Layers(NamedTuple):
    """One model's convolutions, as the passes take them.

    Attributes:
        weight1: Flat, in the order channel, tap, output.
        bias1: Of the first layer.
        matrices: The factors of the second weight, shape ``(36, 32, 64)``.
        weight2: That weight, flat, in the order output, tap, input.
        bias2: Of the second layer.
    """

    weight1: np.ndarray
    bias1: np.ndarray
    matrices: Tensor
    weight2: np.ndarray
    bias2: np.ndarray


class _Gradients(NamedTuple):
    weight1: Tensor
    bias1: Tensor
    weight2: Tensor


class WinogradTrunk(Trunk):
    """Products of transformed tiles, with compiled passes around them.

    Each of several threads takes some of the images through all passes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._spare: list[_Part] = []
        self._parts: list[_Part] = []
        self._layers: list[_Layers] = []

    def forward(
        self, pixels: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor
    ) -> Tensor:
        """Features of every image by every model; see ``Trunk``."""
        return self._features(pixels, weight1, bias1, weight2, bias2, mask=None)

    def kept(self, pixels: Tensor, *layers: Tensor, mask: Tensor) -> Tensor:
        """Features behind ReLU and dropout; see ``Trunk``."""
        return self._features(pixels, *layers, mask=mask)

    def _features(self, pixels: Tensor, *weights_and_biases: Tensor, mask: Tensor | None) -> Tensor:
        rows = pixels.permute(0, 2, 3, 1).contiguous()
        self._layers = [
            _Layers(
                flat(first.permute(1, 2, 3, 0)),
                flat(bias),
                factors_of(second),
                flat(second.permute(0, 2, 3, 1)),
                flat(last_bias),
            )
            for first, bias, second, last_bias in zip(*weights_and_biases, strict=True)
        ]
        geometry = Geometry(rows.shape[3], rows.shape[1], rows.shape[2])
        self._share_out(rows, geometry)
        height, width = geometry.pooled
        features = rows.new_empty(len(self._layers), len(rows), height * width * MAPS)
        of_part = self._of_parts(features)
        masks = {} if mask is None else self._of_parts(mask[None])
        each(lambda part: part.forward(self._layers, of_part[part], masks.get(part)), self._parts)
        return features

    def backward(self, gradient: Tensor) -> TrunkGradients:
        """Gradients at the last ``forward``, once; see ``Trunk``."""
        of_part = self._of_parts(gradient)
        found = each(lambda part: part.backward(self._layers, of_part[part]), self._parts)
        weight1, bias1, weight2 = (torch.stack(all_).sum(0) for all_ in zip(*found, strict=True))
        return TrunkGradients(
            weight1.unflatten(2, (3, 3)).permute(0, 4, 1, 2, 3),
            bias1,
            weight2,
            gradient.unflatten(2, (-1, MAPS)).sum((1, 2)),
        )

    def few(self, features: Tensor) -> SparseFeatures | None:
        """Features of which few are not 0; see ``Trunk``."""
        return SparseFeatures.of(features)

    def forget(self) -> None:
        """Free what the last ``forward`` keeps for gradients; see ``Trunk``."""
        for part in self._parts:
            part.forget()

    def _of_parts(self, numbers: Tensor) -> dict[_Part, Tensor]:
        """What each part takes of numbers of shape ``(models, N, ...)``."""
        shares = numbers.split([len(part.pixels) for part in self._parts], dim=1)
        return dict(zip(self._parts, shares, strict=True))

    def _share_out(self, rows: Tensor, geometry: Geometry) -> None:
        groups = -(-len(rows) // GROUP)
        shares = rows.split(GROUP * -(-groups // torch.get_num_threads()))
        self._spare = [part for part in self._spare if part.fits(geometry, rows.dtype)]
        while len(self._spare) < len(shares):
            self._spare.append(_Part(geometry, rows.dtype))
        self._parts = self._spare[: len(shares)]
        for part, share in zip(self._parts, shares, strict=True):
            part.pixels = share


class _Part:
    """One thread's images, and its buffers between the passes.

    Args:
        geometry: Of the images.
        dtype: Of all numbers.

    Attributes:
        pixels: Shape ``(N, H, W, C)``.
    """

    def __init__(self, geometry: Geometry, dtype: torch.dtype) -> None:
        self._geometry = geometry
        self.pixels = torch.empty(0)
        tiles = geometry.tiles
        self._inputs = TransformedTiles(tiles, HIDDEN, dtype)
        self._outputs = TransformedTiles(tiles, MAPS, dtype)
        self._of_hidden = flat(torch.empty(GROUP, *tiles.padded, HIDDEN, dtype=dtype))
        self._saved: list[tuple[Tensor, Tensor]] = []
        self._make_hidden = winograd_passes.hidden_pass(geometry)
        self._transform = passes.transform_pass(tiles, HIDDEN, *tiles.padded)
        self._pools = [winograd_passes.pooling_pass(geometry, masked) for masked in (False, True)]
        self._spread = winograd_passes.spreading_pass(geometry)
        self._gather = passes.gather_pass(tiles, HIDDEN, *tiles.padded)
        self._find = sparse_passes.finding_pass(MAPS * geometry.pooled[0] * geometry.pooled[1])
        self._differentiate_second = sparse_passes.second_gradient_pass(geometry)
        self._differentiate_first = winograd_passes.first_gradient_pass(geometry)

    def fits(self, geometry: Geometry, dtype: torch.dtype) -> bool:
        return self._geometry == geometry and self._inputs.matrices.dtype == dtype

    def forward(self, layers: list[_Layers], features: Tensor, mask: Tensor | None) -> None:
        """Fill the features, shape ``(models, N, features)``; the mask holds for every model."""
        self._saved = [
            self._forward(of, own, mask) for of, own in zip(layers, features, strict=True)
        ]

    def forget(self) -> None:
        self._saved = []

    def _forward(
        self, layers: _Layers, features: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        images = len(self.pixels)
        hidden = self.pixels.new_empty(images, *self._geometry.tiles.padded, HIDDEN)
        down, across = self._geometry.valid
        hidden[:, down:] = 0
        hidden[:, :, across:] = 0
        which = torch.empty_like(features)
        pixels, outputs, pooled = flat(self.pixels), flat(hidden), (flat(features), flat(which))
        masked = mask is not None
        pool, kept = self._pools[masked], flat(mask) if masked else np.empty(0, bool)
        for first, count in groups(images, GROUP):
            self._make_hidden(pixels, layers.weight1, layers.bias1, outputs, first, count)
            self._transform(outputs, self._inputs.flat, first, count)
            torch.bmm(self._inputs.of(count), layers.matrices, out=self._outputs.matrices)
            pool(self._outputs.flat, layers.bias2, kept, *pooled, first, count)
        return hidden, which

    def backward(self, layers: list[_Layers], gradient: Tensor) -> _Gradients:
        """Gradients, each of shape ``(models, ...)``."""
        found = [
            self._backward(of, own, *saved)
            for of, own, saved in zip(layers, gradient, self._saved, strict=True)
        ]
        self._saved = []
        return _Gradients(*(torch.stack(models) for models in zip(*found, strict=True)))

    def _backward(
        self, layers: _Layers, gradient: Tensor, hidden: Tensor, which: Tensor
    ) -> _Gradients:
        images = len(self.pixels)
        weight1 = self.pixels.new_zeros(self._geometry.channels, TAPS, HIDDEN)
        bias1 = self.pixels.new_zeros(HIDDEN)
        weight2 = self.pixels.new_zeros(MAPS, 3, 3, HIDDEN)
        of_matrices = torch.zeros_like(layers.matrices)
        pixels, outputs, pooled = flat(self.pixels), flat(hidden), (flat(gradient), flat(which))
        of_first, of_second = (flat(weight1), flat(bias1)), flat(weight2)
        places = np.empty(gradient.numel() + 1, np.int32), np.empty(images + 1, np.int64)
        self._find(pooled[0], *places, images)
        sparse = places[1][-1] <= SPARSE * gradient.numel()
        for first, count in groups(images, GROUP):
            if sparse:
                self._differentiate_second(
                    *pooled, *places, outputs, layers.weight2, of_second, self._of_hidden,
                    first, count,
                )  # fmt: skip
            else:
                # Transformed again: kept from the forward pass, they would have left the caches.
                self._transform(outputs, self._inputs.flat, first, count)
                self._spread(*pooled, self._outputs.flat, first, count)
                inputs, of_products = self._inputs.of(count), self._outputs.of(count)
                of_matrices.baddbmm_(inputs.mT, of_products)
                torch.bmm(of_products, layers.matrices.mT, out=inputs)
                self._gather(self._inputs.flat, self._of_hidden, 0, count)
            self._differentiate_first(self._of_hidden, outputs, pixels, *of_first, first, count)
        of_weight2 = weight2.permute(0, 3, 1, 2) if sparse else weight_gradient(of_matrices)
        return _Gradients(weight1, bias1, of_weight2)
