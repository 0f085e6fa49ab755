"""Which normalization a pipeline really applies, read off the tensors that it hands over."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from normscope.auditing.applied import SAME_FIELD, SQUASHED, WHOLE, AppliedNormalization
from normscope.auditing.variants import REFERENCE, WHITE
from normscope.auditing.views import coarse

if TYPE_CHECKING:
    from torch import Tensor

    from normscope.auditing.views import Views

ALIKE = 0.9
"""Below this squared correlation the two show other parts of the image, and nothing is claimed."""

UNDECIDED = 1e-6
"""So small a difference of squared correlations says nothing of the order."""

SURELY = 0.5
"""A pipeline shows another part of the images if of what it lacks in correlation with the
reference's part, at most this share is left."""

SQUEEZED = 0.05
"""Ratios of width to height whose logarithms differ by more are not the same."""


class HandedOver:
    """Compares what a pipeline hands over with the images, batch by batch."""

    def __init__(self) -> None:
        self._fields: dict[str, list[np.ndarray]] = {}
        self._tensors: list[np.ndarray] = []
        self._squeezed: list[float] = []
        self.of_bytes = False
        """Whether any of it is bytes, which something must normalize later."""

    def add(
        self, pixels: np.ndarray, tensors: list[Tensor], views: list[Views] | None = None
    ) -> None:
        """Take in some images.

        Args:
            pixels: As the reference sees them, uint8, shape ``(N, C, H, W)``.
            tensors: What the pipeline makes of the same, each of shape ``(C, H, W)``.
            views: Other parts of the same images, which it may show in place of the reference's.
        """
        import torch

        self.of_bytes |= any(tensor.dtype == torch.uint8 for tensor in tensors)
        fields = np.stack([coarse(image) for image in pixels]) / WHITE
        self._fields.setdefault(REFERENCE, []).append(fields)
        self._tensors += [coarse(tensor.double().cpu().numpy())[None] for tensor in tensors]
        for view, tensor in zip(views or (), tensors, strict=bool(views)):
            for name, of_view in view.fields.items():
                self._fields.setdefault(name, []).append(of_view[None])
            height, width = tensor.shape[-2:]
            self._squeezed.append(abs(math.log(view.ratio * height / width)))

    def applied(self) -> AppliedNormalization | None:
        """What the pipeline does to values, or None where that cannot be told."""
        after = _by_channel(np.concatenate(self._tensors))
        found = {
            name: _fitted(_by_channel(np.concatenate(fields)), after)
            for name, fields in self._fields.items()
        }
        reference = found.pop(REFERENCE)
        others = {name: one for name, one in found.items() if one is not None}
        name = max(others, key=lambda name: others[name].alike, default=None)
        if name is None:
            return reference
        best = others[name]
        same = _same(*(np.concatenate(self._fields[each]) for each in (name, REFERENCE)))
        # Of what differs from the reference's part, most must be gone.
        if not same and reference is not None and 1 - best.alike > SURELY * (1 - reference.alike):
            return reference
        if name == WHOLE and float(np.median(self._squeezed)) > SQUEEZED:
            name = SQUASHED
        elif same:
            return reference
        return replace(best, shows=name)


def _fitted(before: np.ndarray, after: np.ndarray) -> AppliedNormalization | None:
    from scipy.optimize import linear_sum_assignment

    spread = before.std(axis=1), after.std(axis=1)
    if min(spread[0].min(), spread[1].min()) == 0:
        return None
    channels = len(before)
    correlations = np.corrcoef(before, after)[channels:, :channels]
    squared = correlations**2
    order = linear_sum_assignment(squared, maximize=True)[1]
    alike = float(squared[range(channels), order].min())
    if alike < ALIKE:
        return None
    # Of nearly grey images the best order is chance: as far as a resize moves correlations,
    # the usual one is as good.
    gained = squared[range(channels), order].sum() - np.trace(squared)
    if gained <= channels * (1 - alike) + UNDECIDED:
        order = np.arange(channels)
        alike = float(np.diag(squared).min())
    order = tuple(order.tolist())
    at = list(order)
    # A ratio of stds, since a slope would shrink with the correlation.
    signs = np.sign([correlations[k, c] for k, c in enumerate(order)])
    std = signs * spread[0][at] / spread[1]
    mean = before.mean(axis=1)[at] - after.mean(axis=1) * std
    return AppliedNormalization(tuple(mean.tolist()), tuple(std.tolist()), order, alike)


def _same(fields: np.ndarray, others: np.ndarray) -> bool:
    """Whether both are of the same part of the images."""
    return bool(np.corrcoef(fields.ravel(), others.ravel())[0, 1] ** 2 >= SAME_FIELD)


def _by_channel(fields: np.ndarray) -> np.ndarray:
    return fields.swapaxes(0, 1).reshape(fields.shape[1], -1)
