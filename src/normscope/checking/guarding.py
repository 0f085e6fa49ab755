"""Whether the first batches of a training are what a normalization gives, told from their range.

The darkest and the brightest pixels of many images are 0 and 1, so that the ends of the values that
a network is given tell what was done to them, whatever augmentation is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.auditing.explaining import mistakes_of
from normscope.models.expected import check_of_unit
from normscope.models.preprocessing.dark import used_by_constants
from normscope.normalization import Normalization
from normscope.wording import check_at_least, listed

if TYPE_CHECKING:
    from torch import Tensor

ENDS = (0.002, 0.998)
"""Quantiles that stand for the darkest and brightest pixels."""

MANY = (0.05, 0.95)
"""If even these lie out of range, more is wrong than a little noise of an augmentation."""

FITS = 0.1
"""How far the ends may lie from 0 and 1 for a normalization that fits."""

DOES_NOT = 0.2
"""How far at least for one that does not, where another fits: images of low contrast do not reach
the ends."""

SPAN, OFF = 1.5, 1.0
"""Between their ends images have at least so many stds, and their mean is at most so many off."""

AS_GOOD = 0.01
SAMPLE = 200_000
"""Pixels of a batch whose quantiles are taken."""

COLOURED = 0.03
"""Red and blue of a normalization whose means are nearer say nothing of the order."""

SURE = 4.0
"""Standard errors by which the means of red and blue must be in the other order."""

FEWEST_IMAGES = 16


class NormalizationWarning(UserWarning):
    """What is handed to a network is not what its normalization gives."""


class Guard:
    """Looks at batches until it has seen enough to say what is wrong with them.

    Args:
        norm: What they should be normalized with: a normalization, its text or a preset's name.
        batches: How many it looks at.

    Raises:
        NormscopeError: If the normalization cannot be read or is of pixels of 0..255, or no batch
            is to be looked at.
    """

    def __init__(self, norm: str | Normalization, batches: int = 3) -> None:
        check_at_least(1, batches, "batches")
        given = norm if isinstance(norm, Normalization) else Normalization.parse(norm)
        self.normalization = check_of_unit(given, "norm")
        self._name = norm if isinstance(norm, str) else f"{norm:.4g}"
        self._left = self._asked = batches
        self._ended = False
        self._low: list[np.ndarray] = []
        self._high: list[np.ndarray] = []
        self._many: list[np.ndarray] = []
        self._means: list[np.ndarray] = []

    @property
    def done(self) -> bool:
        """Whether it has seen enough."""
        return self._left <= 0

    def look(self, batch: Any) -> str | None:
        """Take in a batch.

        Args:
            batch: As a loader gives it: images ``(N, C, H, W)`` alone, first in a tuple or list, or
                under any key.

        Returns:
            A sentence on what is wrong, once enough is seen; None before, and where nothing is.
        """
        if self.done:
            return None
        self._left -= 1
        images = images_of(batch)
        if images is None:
            return self.finish() if self.done else None
        channels = self.normalization.channels
        if channels > 1 and images.shape[1] != channels:
            return self._end(_wrong_shape(images, channels))
        if images.is_floating_point() and not bool(images.isfinite().all()):
            return self._end("they hold nan or inf")
        self._take(images)
        return self.finish() if self.done else None

    def finish(self) -> str | None:
        """Judge by what was seen, where no more comes, as at the end of a short loader.

        Returns:
            As ``look``; None where it has said so already.
        """
        if self._ended or self._left == self._asked:
            return None
        if not self._low:
            self._end(None)
            return (
                f"Whether the first batches are what {self._name} gives cannot be told: they hold "
                "no tensor of images (N, C, H, W). Watch a loader that gives one."
            )
        return self._end(self._judged())

    def _end(self, found: str | None) -> str | None:
        self._left, self._ended = 0, True
        if found is None:
            return None
        return f"The first batches are not what {self._name} gives: {found}."

    def _take(self, images: Tensor) -> None:
        import torch

        by_channel = images.detach().float().transpose(0, 1).flatten(1)
        step = max(1, by_channel.shape[1] // SAMPLE)
        ends = torch.tensor([*ENDS, *MANY], device=by_channel.device)
        found = by_channel[:, ::step].quantile(ends, dim=1).double().cpu().numpy()
        self._low.append(found[0])
        self._high.append(found[1])
        self._many.append(found[2:])
        self._means.append(images.detach().float().mean((2, 3)).double().cpu().numpy())

    def _judged(self) -> str | None:
        low, high = np.min(self._low, axis=0), np.max(self._high, axis=0)
        right = self.normalization.for_channels(len(low))
        mean, std = np.asarray(right.mean), np.asarray(right.std)
        misfit = _misfit(low, high, mean, std)
        if misfit <= FITS or (
            used_by_constants(right).min() < 1 and self._of_dark(low, high, right)
        ):
            return self._reversed(mean, std)
        named = []
        for name, description, values in mistakes_of(right):
            scale = np.diag(values.matrix)
            if name.startswith("bgr") or not scale.all():
                continue
            # Of a pipeline "it is", of batches "they are".
            said = re.sub("^it is", "they are", description)
            named.append((_misfit(low, high, -values.shift / scale, 1 / scale), said))
        best = min(named)[0]
        if best <= FITS and misfit > DOES_NOT:
            alike = [said for one, said in sorted(named) if one <= best + AS_GOOD]
            return listed(list(dict.fromkeys(alike)), "or")
        raw = np.mean(self._many, axis=0) * std + mean
        if raw.min() < -FITS or raw.max() > 1 + FITS:
            allowed = (-mean / std).min(), ((1 - mean) / std).max()
            return (
                f"they reach from {low.min():.3g} to {high.max():.3g}, and it can only give "
                f"{allowed[0]:.3g} to {allowed[1]:.3g}"
            )
        return None

    def _of_dark(self, low: np.ndarray, high: np.ndarray, right: Normalization) -> bool:
        """Whether values are as of images that are dark, whose brightest pixels are far below 1."""
        mean, std = np.asarray(right.mean), np.asarray(right.std)
        inside = (low * std + mean).min() >= -FITS and (high * std + mean).max() <= 1 + FITS
        centre = np.concatenate(self._means).mean(axis=0)
        return bool(inside and (high - low).min() >= SPAN and np.abs(centre).max() <= OFF)

    def _reversed(self, mean: np.ndarray, std: np.ndarray) -> str | None:
        """Whether red and blue have changed places, by which of them is brighter."""
        if len(mean) != 3 or abs(mean[0] - mean[2]) < COLOURED:
            return None
        pixels = np.concatenate(self._means) * std + mean
        redder = (pixels[:, 0] - pixels[:, 2]) * np.sign(mean[0] - mean[2])
        if len(redder) < FEWEST_IMAGES:
            return None
        error = redder.std(ddof=1) / np.sqrt(len(redder))
        if redder.mean() + SURE * error >= -abs(mean[0] - mean[2]) / 4:
            return None
        return "images are BGR for RGB, or far bluer than those that it is from"


def _misfit(low: np.ndarray, high: np.ndarray, mean: np.ndarray, std: np.ndarray) -> float:
    """How far the darkest and brightest pixels lie from 0 and 1 under a normalization."""
    ends = np.stack([low * std + mean, high * std + mean])
    return float(max(np.abs(ends.min(axis=0)).max(), np.abs(ends.max(axis=0) - 1).max()))


def _wrong_shape(images: Tensor, channels: int) -> str:
    last = images.shape[-1] == channels
    advice = "; the channels come last" if last else ""
    return f"their shape is {tuple(images.shape)}, and it has {channels} channels{advice}"


def images_of(batch: Any) -> Tensor | None:
    """The images of a batch: its first tensor of four dimensions.

    Args:
        batch: A tensor or an array, or a tuple, list, mapping or dataclass that holds one.

    Returns:
        Shape ``(N, C, H, W)``; None where there is none.
    """
    import torch

    if isinstance(batch, np.ndarray) and batch.dtype.kind in "buif":
        batch = torch.from_numpy(batch)
    if isinstance(batch, torch.Tensor):
        return batch if batch.ndim == 4 and batch.numel() else None
    parts: Any = ()
    if isinstance(batch, Mapping):
        parts = batch.values()
    elif is_dataclass(batch):
        parts = vars(batch).values()
    elif isinstance(batch, tuple | list):
        parts = batch
    return next((found for found in map(images_of, parts) if found is not None), None)
