"""How far the statistics of a network's batches lie from those that its BatchNorms remember."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm as AnyBatchNorm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import nn


class Moments(NamedTuple):
    """Mean and variance of each channel of a batch.

    Attributes:
        number: How many values a channel has.
        mean: float64, shape ``(C,)``.
        variance: Likewise.
    """

    number: int
    mean: Tensor
    variance: Tensor


def moments(inputs: Tensor) -> Moments:
    """What flows into a BatchNorm, as two numbers a channel.

    Args:
        inputs: Shape ``(N, C, ...)``.

    Returns:
        Its moments.
    """
    values = inputs.float()
    if values.device.type == "cpu" and _channels_last(values):
        return _by_columns(values)
    # Two passes over a flat view: var_mean over three axes takes sixteen times as long.
    flat = values.movedim(1, -1).flatten(0, -2)
    mean = flat.mean(dim=0)
    variance = (flat - mean).square_().mean(dim=0)
    return Moments(len(flat), mean.cpu().double(), variance.cpu().double())


def _channels_last(values: Tensor) -> bool:
    return (
        values.ndim == 4
        and values.is_contiguous(memory_format=torch.channels_last)
        and not values.is_contiguous()
    )


def _by_columns(values: Tensor) -> Moments:
    # torch's kernel for BatchNorm takes whole rows of pixels, every column as a channel of its own,
    # in half the time of a flat view; and shorter sums lose fewer digits.
    images, channels, height, width = values.shape
    rows = values.permute(0, 2, 3, 1).reshape(images, height, width * channels, 1)
    found = torch.batch_norm_update_stats(rows.transpose(1, 2), None, None, 0.0)
    mean, variance = (of_columns.double().view(width, channels) for of_columns in found)
    within, between = variance.mean(dim=0), mean.var(dim=0, correction=0)
    return Moments(images * height * width, mean.mean(dim=0), within + between)


class InputMoments:
    """Mean and variance of what flows into some BatchNorms, over any number of batches."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[int, Tensor, Tensor]] = {}

    def add(self, layer: str, found: Moments) -> None:
        """Count a batch.

        Args:
            layer: The BatchNorm's name.
            found: Of what flowed into it.
        """
        number, mean, variance = found
        self._add(layer, number, number * mean, number * (variance + mean.square()))

    def merge(self, other: InputMoments) -> None:
        """Count what another has counted."""
        for layer, sums in other._sums.items():
            self._add(layer, *sums)

    def _add(self, layer: str, number: int, first: Tensor, second: Tensor) -> None:
        total, firsts, seconds = self._sums.get(layer, (0, 0, 0))
        self._sums[layer] = (total + number, firsts + first, seconds + second)

    def of(self, layer: str) -> tuple[np.ndarray, np.ndarray]:
        """What one BatchNorm met.

        Args:
            layer: Its name.

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
        # Without an epsilon the std of a constant channel is 0.
        with np.errstate(divide="ignore", invalid="ignore"):
            shift = (mean - self.mean) / self.std
            stretch = np.sqrt(variance + self.eps) / self.std - 1
        return float(np.sqrt(np.mean(shift**2 + stretch**2)))


def remembered(model: nn.Module) -> dict[str, Remembered]:
    """The running statistics of every BatchNorm that has any, by its name."""
    found = {}
    for name, module in model.named_modules():
        if isinstance(module, AnyBatchNorm) and module.running_mean is not None:
            assert module.running_var is not None
            variance = module.running_var.cpu().double().numpy()
            mean = module.running_mean.cpu().double().numpy()
            found[name] = Remembered(mean, np.sqrt(variance + module.eps), module.eps)
    return found


class BatchNormWatch:
    """Listens at BatchNorms of a network.

    Args:
        model: In evaluation mode.
        names: Those that are listened at.
    """

    def __init__(self, model: nn.Module, names: Iterable[str]) -> None:
        self._counting: InputMoments | None = None
        for name in names:
            model.get_submodule(name).register_forward_pre_hook(
                self._listener(name), with_kwargs=True
            )

    def _listener(self, name: str):
        def listen(_: nn.Module, arguments: tuple[Tensor, ...], by_name: dict[str, Tensor]) -> None:
            if self._counting is not None:
                (met,) = (*arguments, *by_name.values())
                self._counting.add(name, moments(met))

        return listen

    @contextmanager
    def counting(self, counted: InputMoments) -> Iterator[None]:
        """Count what flows through the network for a while."""
        self._counting = counted
        try:
            yield
        finally:
            self._counting = None
