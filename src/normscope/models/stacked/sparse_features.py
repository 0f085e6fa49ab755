"""The first linear layer over those of its features that are not 0, on a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from normscope.machine.parts import each, shares
from normscope.models.stacked import sparse_passes
from normscope.models.winograd.tiles import flat

if TYPE_CHECKING:
    from torch import Tensor

SPARSE = 0.25
"""Where more numbers than these are not 0, the products of all are quicker."""


class SparseFeatures:
    """A batch of features of which few are not 0.

    Args:
        features: Shape ``(models, N, features)``.
        models: Each one's features that are not 0.
    """

    def __init__(self, features: Tensor, models: list[_Listed]) -> None:
        self._features, self._models = features, models

    @classmethod
    def of(cls, features: Tensor) -> SparseFeatures | None:
        """The features, where few of any model's are not 0.

        Args:
            features: Shape ``(models, N, features)``.

        Returns:
            None where more of them are not 0 than it pays for.
        """
        models = []
        for own in features:
            listed = _Listed.of(own)
            if listed is None:
                return None
            models.append(listed)
        return cls(features, models)

    def times(self, weight: Tensor, factor: float) -> Tensor:
        """Multiply them.

        Args:
            weight: Shape ``(models, features, units)``.
            factor: Of the products.

        Returns:
            Shape ``(models, N, units)``.
        """
        return torch.stack(
            [one.times(own, factor) for one, own in zip(self._models, weight, strict=True)]
        )

    def gradients(
        self, of_units: Tensor, weight: Tensor, factor: float, of_weight: Tensor
    ) -> Tensor:
        """Differentiate the product.

        Args:
            of_units: The gradients of its outputs, shape ``(models, N, units)``.
            weight: As for ``times``.
            factor: Likewise.
            of_weight: Becomes the gradient of the weight, of its shape.

        Returns:
            The gradients of the features that are not 0, and 0 for the others.
        """
        of_features = torch.zeros_like(self._features)
        for one, *own in zip(self._models, of_units, weight, of_weight, of_features, strict=True):
            one.differentiate(factor, *own)
        return of_features


class _Listed:
    """One model's features that are not 0, by feature.

    Args:
        features: All of them, shape ``(N, features)``.
        images: Of each that is not 0.
        ends: How many there are up to the end of each feature.
    """

    def __init__(self, features: Tensor, images: np.ndarray, ends: np.ndarray) -> None:
        self._numbers, self._lists = flat(features), (images, ends)
        self._images, self._count = features.shape
        self._shares = shares(self._count)

    @classmethod
    def of(cls, features: Tensor) -> _Listed | None:
        """Find them, if they are few."""
        images, count = features.shape
        places, starts = np.empty(features.numel() + 1, np.int32), np.empty(images + 1, np.int64)
        sparse_passes.finding_pass(count)(flat(features), places, starts, images)
        if starts[-1] > SPARSE * features.numel():
            return None
        of, ends = np.empty(starts[-1], np.int32), np.empty(count + 1, np.int32)
        sparse_passes.sorting_pass(count)(places, starts, of, ends, images)
        return cls(features, of, ends)

    def times(self, weight: Tensor, factor: float) -> Tensor:
        """Multiply by a weight of shape ``(features, units)``."""
        units = weight.shape[1]
        run, weights = sparse_passes.linear_pass(self._count, units), flat(weight)
        outs = weight.new_zeros(len(self._shares), self._images, units)

        def multiply(part: int) -> None:
            run(
                self._numbers, weights, *self._lists, flat(outs[part]),
                *self._bounds(part), self._typed(factor),
            )  # fmt: skip

        each(multiply, range(len(self._shares)))
        return outs.sum(0)

    def differentiate(
        self, factor: float, of_units: Tensor, weight: Tensor, of_weight: Tensor, of_own: Tensor
    ) -> None:
        """Fill the gradients of the weight, and of these features."""
        run = sparse_passes.linear_gradient_pass(self._count, weight.shape[1])
        given = flat(of_units), flat(of_weight), flat(of_own)

        def differentiate(part: int) -> None:
            run(
                self._numbers, flat(weight), *self._lists, *given,
                *self._bounds(part), self._typed(factor),
            )  # fmt: skip

        each(differentiate, range(len(self._shares)))

    def _bounds(self, part: int) -> tuple[int, int]:
        return self._shares[part].start, self._shares[part].stop

    def _typed(self, factor: float) -> np.floating:
        # In the features' type, so that nothing is computed in another.
        return self._numbers.dtype.type(factor)
