"""LeNet's convolutions on a CPU, the second with a quarter of the multiplications."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import torch

from normscope.machine.cores import threads
from normscope.models.stacked import winograd_gradients, winograd_kernels
from normscope.models.stacked.trunk import Trunk, TrunkGradients
from normscope.models.stacked.winograd_matrices import FREQUENCIES, HIDDEN, MAPS, TAPS
from normscope.models.stacked.winograd_tiles import Geometry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from torch import Tensor

    Result = TypeVar("Result")

GROUP = 8
"""Images at a time: what passes between layers stays in a core's caches."""

OF_KERNEL = torch.tensor(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    dtype=torch.float64,
)
"""The matrix ``G``, which a kernel goes through from both sides."""


class _Layers(NamedTuple):
    """One model's convolutions, as the passes take them.

    Attributes:
        weight1: Flat, in the order channel, tap, output.
        bias1: Of the first layer.
        matrices: The second weight's factors, shape ``(36, 32, 64)``.
        bias2: Of the second layer.
    """

    weight1: np.ndarray
    bias1: np.ndarray
    matrices: Tensor
    bias2: np.ndarray


class _Gradients(NamedTuple):
    weight1: Tensor
    bias1: Tensor
    matrices: Tensor


class WinogradTrunk(Trunk):
    """Products over transformed tiles, with compiled passes around them.

    With several threads each takes some of the images through all passes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._spare: list[_Part] = []
        self._parts: list[_Part] = []
        self._pool: ThreadPoolExecutor | None = None
        self._layers: list[_Layers] = []

    def forward(
        self, pixels: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor
    ) -> Tensor:
        """Features of every image by every model; see ``Trunk``."""
        rows = pixels.permute(0, 2, 3, 1).contiguous()
        self._layers = [
            _Layers(
                _flat(first.permute(1, 2, 3, 0)), _flat(bias), factors_of(second), _flat(last_bias)
            )
            for first, bias, second, last_bias in zip(weight1, bias1, weight2, bias2, strict=True)
        ]
        self._share_out(rows)
        found = self._each(lambda part: part.forward(self._layers))
        return found[0] if len(found) == 1 else torch.cat(found, dim=1)

    def backward(self, gradient: Tensor) -> TrunkGradients:
        """Gradients at the last ``forward``, once; see ``Trunk``."""
        shares = gradient.split([len(part.pixels) for part in self._parts], dim=1)
        of_part = dict(zip(self._parts, shares, strict=True))
        found = self._each(lambda part: part.backward(self._layers, of_part[part]))
        weight1, bias1, matrices = (torch.stack(each).sum(0) for each in zip(*found, strict=True))
        return TrunkGradients(
            weight1.unflatten(2, (3, 3)).permute(0, 4, 1, 2, 3),
            bias1,
            torch.stack([weight_gradient(each) for each in matrices]),
            gradient.unflatten(2, (-1, MAPS)).sum((1, 2)),
        )

    def _share_out(self, rows: Tensor) -> None:
        groups = -(-len(rows) // GROUP)
        shares = rows.split(GROUP * -(-groups // torch.get_num_threads()))
        geometry = Geometry(rows.shape[3], rows.shape[1], rows.shape[2], GROUP)
        self._spare = [part for part in self._spare if part.fits(geometry, rows.dtype)]
        while len(self._spare) < len(shares):
            self._spare.append(_Part(geometry, rows.dtype))
        self._parts = self._spare[: len(shares)]
        for part, share in zip(self._parts, shares, strict=True):
            part.pixels = share

    def _each(self, work: Callable[[_Part], Result]) -> list[Result]:
        if len(self._parts) == 1:
            return [work(self._parts[0])]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(torch.get_num_threads())
        # Each computes on one core; the library counts for the process as for its threads.
        with threads(1):
            return list(self._pool.map(work, self._parts))


class _Part:
    """One thread's images, and its buffers between the passes.

    Args:
        geometry: Sizes of the images and of a group of them.
        dtype: What is computed in.

    Attributes:
        pixels: Shape ``(N, H, W, C)``.
    """

    def __init__(self, geometry: Geometry, dtype: torch.dtype) -> None:
        self._geometry = geometry
        self.pixels = torch.empty(0)
        # Written to within and without inference mode.
        with torch.inference_mode(mode=False):
            self._inputs = torch.zeros(FREQUENCIES, geometry.rows, HIDDEN, dtype=dtype)
            self._outputs = torch.zeros(FREQUENCIES, geometry.rows, MAPS, dtype=dtype)
            self._of_hidden = torch.zeros(GROUP, *geometry.padded, HIDDEN, dtype=dtype)
        self._saved: list[tuple[Tensor, Tensor]] = []
        self._make_hidden = winograd_kernels.hidden_pass(geometry)
        self._transform = winograd_kernels.transform_pass(geometry)
        self._pool = winograd_kernels.pooling_pass(geometry)
        self._spread = winograd_gradients.spreading_pass(geometry)
        self._gather = winograd_gradients.gathering_pass(geometry)
        self._differentiate_first = winograd_gradients.first_gradient_pass(geometry)

    def fits(self, geometry: Geometry, dtype: torch.dtype) -> bool:
        return self._geometry == geometry and self._inputs.dtype == dtype

    def forward(self, layers: list[_Layers]) -> Tensor:
        """Features, shape ``(models, N, features)``."""
        height, width = self._geometry.pooled
        features = self.pixels.new_empty(len(layers), len(self.pixels), height * width * MAPS)
        self._saved = [self._forward(each, own) for each, own in zip(layers, features, strict=True)]
        return features

    def _forward(self, layers: _Layers, features: Tensor) -> tuple[Tensor, Tensor]:
        images = len(self.pixels)
        hidden = self.pixels.new_empty(images, *self._geometry.padded, HIDDEN)
        down, across = self._geometry.valid
        hidden[:, down:] = 0
        hidden[:, :, across:] = 0
        which = torch.empty_like(features, dtype=torch.uint8)
        for group, count, inputs, outputs in self._groups():
            own = _flat(hidden[group])
            self._make_hidden(_flat(self.pixels[group]), layers.weight1, layers.bias1, own, count)
            self._transform(own, _flat(self._inputs), count)
            torch.bmm(inputs, layers.matrices, out=outputs)
            self._pool(
                _flat(self._outputs), layers.bias2, _flat(features[group]), _flat(which[group]),
                count,
            )  # fmt: skip
        return hidden, which

    def backward(self, layers: list[_Layers], gradient: Tensor) -> _Gradients:
        """Gradients, each of shape ``(models, ...)``."""
        found = [
            self._backward(each, own, *saved)
            for each, own, saved in zip(layers, gradient, self._saved, strict=True)
        ]
        self._saved = []
        return _Gradients(*(torch.stack(each) for each in zip(*found, strict=True)))

    def _backward(
        self, layers: _Layers, gradient: Tensor, hidden: Tensor, which: Tensor
    ) -> _Gradients:
        of_matrices = torch.zeros_like(layers.matrices)
        weight1 = self.pixels.new_zeros(self._geometry.channels, TAPS, HIDDEN)
        bias1 = self.pixels.new_zeros(HIDDEN)
        for group, count, inputs, outputs in self._groups():
            own = _flat(hidden[group])
            # Made again: kept from the pass forward they would have left the caches.
            self._transform(own, _flat(self._inputs), count)
            self._spread(_flat(gradient[group]), _flat(which[group]), _flat(self._outputs), count)
            of_matrices.baddbmm_(inputs.mT, outputs)
            torch.bmm(outputs, layers.matrices.mT, out=inputs)
            of_hidden = _flat(self._of_hidden)
            self._gather(_flat(self._inputs), own, of_hidden, count)
            self._differentiate_first(
                of_hidden, _flat(self.pixels[group]), _flat(weight1), _flat(bias1), count
            )
        return _Gradients(weight1, bias1, of_matrices)

    def _groups(self) -> Iterator[tuple[slice, int, Tensor, Tensor]]:
        tiles = self._geometry.rows // GROUP
        for start in range(0, len(self.pixels), GROUP):
            count = min(GROUP, len(self.pixels) - start)
            rows = slice(count * tiles)
            yield (
                slice(start, start + count), count, self._inputs[:, rows], self._outputs[:, rows],
            )  # fmt: skip


def factors_of(weight: Tensor) -> Tensor:
    """What the products multiply by.

    Args:
        weight: Shape ``(out, in, 3, 3)``.

    Returns:
        Shape ``(36, in, out)``.
    """
    taps = weight.permute(2, 3, 1, 0).reshape(TAPS, -1)
    return (_both_sides(weight) @ taps).unflatten(1, (weight.shape[1], -1))


def weight_gradient(of_factors: Tensor) -> Tensor:
    """The gradient of a weight from that of its factors: the transpose of ``factors_of``."""
    taps = _both_sides(of_factors).mT @ of_factors.flatten(1)
    return taps.unflatten(1, of_factors.shape[1:]).unflatten(0, (3, 3)).permute(3, 2, 0, 1)


def _both_sides(like: Tensor) -> Tensor:
    return torch.kron(OF_KERNEL, OF_KERNEL).to(like.dtype)


def _flat(tensor: Tensor) -> np.ndarray:
    return tensor.reshape(-1).numpy()
