"""How far the statistics of a network's batches lie from those that its BatchNorms remember."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch.nn.modules.batchnorm import _BatchNorm as AnyBatchNorm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn


class InputMoments:
    """Mean and variance of what flows into some BatchNorms, over any number of batches."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[int, Tensor, Tensor]] = {}

    def add(self, layer: str, inputs: Tensor) -> None:
        """Count a batch.

        Args:
            layer: The BatchNorm's name.
            inputs: Shape ``(N, C, ...)``.
        """
        # In two passes over a flat view: var_mean over three axes takes sixteen times as long.
        values = inputs.float().movedim(1, -1).flatten(0, -2)
        count, mean = len(values), values.mean(dim=0)
        variance = (values - mean).square_().mean(dim=0)
        mean, variance = mean.cpu().double(), variance.cpu().double()
        total, first, second = self._sums.get(layer, (0, 0, 0))
        self._sums[layer] = (
            total + count,
            first + count * mean,
            second + count * (variance + mean.square()),
        )

    def of(self, layer: str) -> tuple[np.ndarray, np.ndarray]:
        """What was counted.

        Args:
            layer: A BatchNorm's name.

        Returns:
            Mean and variance, each of shape ``(C,)``.
        """
        count, first, second = self._sums[layer]
        mean = (first / count).numpy()
        return mean, np.maximum((second / count).numpy() - mean**2, 0)

    @property
    def layers(self) -> list[str]:
        """The BatchNorms that were met, in the order in which they were."""
        return list(self._sums)


@dataclass(frozen=True)
class Remembered:
    """The statistics that a BatchNorm normalizes with in evaluation.

    Attributes:
        mean: Shape ``(C,)``.
        std: Likewise, with the layer's epsilon in it.
        eps: That epsilon.
    """

    mean: np.ndarray
    std: np.ndarray
    eps: float

    def distance(self, mean: np.ndarray, variance: np.ndarray) -> float:
        """How far other statistics lie from these.

        Each channel's is the Frechet distance of two normal distributions, the root of the squared
        difference of their means and of their stds (Dowson and Landau, J. Multivar. Anal. 12, 1982,
        doi:10.1016/0047-259X(82)90077-X), in units of the remembered std, which is what the layer
        divides by.

        Args:
            mean: Shape ``(C,)``.
            variance: Likewise.

        Returns:
            The root mean square over channels: 0 for the same statistics, 1 where means lie a std
            apart.

        Example:
            >>> Remembered(np.zeros(2), np.ones(2), 0).distance(np.array([3.0, 0]), np.ones(2))
            2.1213203435596424
        """
        shift = (mean - self.mean) / self.std
        stretch = np.sqrt(variance + self.eps) / self.std - 1
        return float(np.sqrt(np.mean(shift**2 + stretch**2)))


class BatchNormWatch:
    """Listens at every BatchNorm of a network that remembers statistics.

    Args:
        model: In evaluation mode.
    """

    def __init__(self, model: nn.Module) -> None:
        self._counting: InputMoments | None = None
        self.remembered: dict[str, Remembered] = {}
        for name, module in model.named_modules():
            if isinstance(module, AnyBatchNorm) and module.running_mean is not None:
                assert module.running_var is not None
                variance = module.running_var.cpu().double().numpy()
                self.remembered[name] = Remembered(
                    module.running_mean.cpu().double().numpy(),
                    np.sqrt(variance + module.eps),
                    module.eps,
                )
                module.register_forward_pre_hook(self._listener(name))

    def _listener(self, name: str):
        def listen(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            if self._counting is not None:
                self._counting.add(name, arguments[0])

        return listen

    @contextmanager
    def counting(self, moments: InputMoments) -> Iterator[None]:
        """Count what flows through the network for a while."""
        self._counting = moments
        try:
            yield
        finally:
            self._counting = None

    def drift(self, moments: InputMoments) -> dict[str, float]:
        """How far what was counted lies from what the BatchNorms remember.

        Returns:
            A distance for each BatchNorm that was met, in their order.
        """
        return {name: self.remembered[name].distance(*moments.of(name)) for name in moments.layers}
