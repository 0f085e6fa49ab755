"""What the images contribute one by one, summed exactly: the ground of every standard error."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from normscope.statistics.exact import (
    INTEGER_CHUNK,
    Exact,
    exact_dot,
    exact_sums,
    limb_dot,
    limbs,
    product_and_error,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from normscope.statistics.image_sums import ImageSums

PAIRS = ((0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3))
"""Of the columns 1, n, s and q: whose products are summed, in the order of the fields."""


class PerImage(NamedTuple):
    """Sums over the images of one channel; image i has n pixels with sum s and square sum q.

    Images in which no pixel of the channel counts are left out.

    Attributes:
        images: How many images count.
        n: Sum of n, and so on for the products.
        s: Sum of s.
        q: Sum of q.
        nn: Sum of n n.
        ns: Sum of n s.
        nq: Sum of n q.
        ss: Sum of s s.
        sq: Sum of s q.
        qq: Sum of q q.
        std: Sum of the images' own standard deviations.
        variance: Sum of the images' own variances.
        variance_squared: Sum of their squares.
        mean: Sum of the images' own means, each rounded once.
        mean_squared: Sum of their squares.
    """

    images: int
    n: Exact
    s: Exact
    q: Exact
    nn: Exact
    ns: Exact
    nq: Exact
    ss: Exact
    sq: Exact
    qq: Exact
    std: Exact
    variance: Exact
    variance_squared: Exact
    mean: Exact
    mean_squared: Exact

    @classmethod
    def of(cls, sums: ImageSums) -> tuple[PerImage, ...]:
        """Sum over images."""
        variance, mean = np.ascontiguousarray(sums.variance.T), np.ascontiguousarray(sums.mean.T)
        channels = len(variance)
        both = np.concatenate([variance, mean])
        # An image without a pixel that counts has zero sums.
        exact = exact_sums(
            np.concatenate([np.sqrt(variance), both, *product_and_error(both, both)])
        )
        std, *rest = (exact[i : i + channels] for i in range(0, len(exact), channels))
        var, mean, var_product, mean_product, var_error, mean_error = rest
        return tuple(
            cls._of_channel(
                sums, c, std[c], var[c], var_product[c] + var_error[c],
                mean[c], mean_product[c] + mean_error[c],
            )
            for c in range(channels)
        )  # fmt: skip

    @classmethod
    def _of_channel(cls, sums: ImageSums, c: int, *own: Exact) -> PerImage:
        n, s, q = sums.n[:, c], sums.s[:, c], sums.q[:, c]
        counted = n > 0
        return cls(int(counted.sum()), *_products([counted, n, s, q]), *own)

    def merge(self, other: PerImage) -> PerImage:
        """The sums over both sets of images."""
        sums = (a + b for a, b in zip(self[1:], other[1:], strict=True))
        return PerImage(self.images + other.images, *sums)

    def rescaled(self, factor: int) -> PerImage:
        """The sums that the same images give with every pixel multiplied.

        Args:
            factor: What each pixel is multiplied by.

        Returns:
            New sums.
        """
        powers = (0, 1, 2, 0, 1, 2, 2, 3, 4, 1, 2, 4, 1, 2)
        sums = (v * factor**p for v, p in zip(self[1:], powers, strict=True))
        return PerImage(self.images, *sums)


def total_of(parts: Iterable[PerImage]) -> PerImage:
    """The sums over several sets of images.

    Args:
        parts: At least one.

    Returns:
        Their total.
    """
    return reduce(PerImage.merge, parts)


def _products(columns: list[np.ndarray]) -> list[Exact]:
    if columns[2].dtype.kind != "i":
        floats = [column.astype(np.float64) for column in columns]
        return [exact_dot(floats[i], floats[j]) for i, j in PAIRS]
    products: list[Exact] = [0] * len(PAIRS)
    for start in range(0, len(columns[0]), INTEGER_CHUNK):
        cut = [limbs(column[start : start + INTEGER_CHUNK]) for column in columns]
        for index, (i, j) in enumerate(PAIRS):
            products[index] += limb_dot(cut[i], cut[j])
    return products
