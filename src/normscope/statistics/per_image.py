"""What the images contribute one by one, summed exactly: the ground of every standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from normscope.statistics.exact import Exact, exact_dot, exact_sum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.statistics.image_sums import ImageSums

LIMB_BITS = 21
"""An int64 is three limbs of so many bits; their products, 2**20 at a time, add up in 64 bits."""

AT_ONCE = 2**20

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

    @classmethod
    def of(cls, sums: ImageSums) -> tuple[PerImage, ...]:
        """Sum over images.

        Args:
            sums: Of images with C channels.

        Returns:
            One for each channel.
        """
        variance = sums.variance
        return tuple(
            cls._of_channel(sums.n[:, c], sums.s[:, c], sums.q[:, c], variance[:, c])
            for c in range(sums.n.shape[1])
        )

    @classmethod
    def _of_channel(
        cls, n: np.ndarray, s: np.ndarray, q: np.ndarray, variance: np.ndarray
    ) -> PerImage:
        counted = n > 0
        if not counted.all():
            n, s, q, variance = n[counted], s[counted], q[counted], variance[counted]
        if s.dtype.kind == "i":
            products = _integer_products([np.ones_like(n), n, s, q])
        else:
            columns = [np.ones(len(n)), n.astype(np.float64), s, q]
            products = {(i, j): exact_dot(columns[i], columns[j]) for i, j in PAIRS}
        return cls(
            len(n),
            **dict(zip(cls._fields[1:10], (products[pair] for pair in PAIRS), strict=True)),
            std=exact_sum(np.sqrt(variance)),
            variance=exact_sum(variance),
            variance_squared=exact_dot(variance, variance),
        )

    def merge(self, other: PerImage) -> PerImage:
        """The sums over both sets of images.

        Args:
            other: Of the same channel.

        Returns:
            New sums.
        """
        sums = (a + b for a, b in zip(self[1:], other[1:], strict=True))
        return PerImage(self.images + other.images, *sums)

    def rescaled(self, factor: int) -> PerImage:
        """The sums that the same images give with every pixel multiplied.

        Args:
            factor: What each pixel is multiplied by.

        Returns:
            New sums.
        """
        powers = (0, 1, 2, 0, 1, 2, 2, 3, 4, 1, 2, 4)
        sums = (v * factor**p for v, p in zip(self[1:], powers, strict=True))
        return PerImage(self.images, *sums)


def _integer_products(columns: Sequence[np.ndarray]) -> dict[tuple[int, int], int]:
    products = dict.fromkeys(PAIRS, 0)
    for start in range(0, len(columns[0]), AT_ONCE):
        limbs = [_limbs(column[start : start + AT_ONCE]) for column in columns]
        for i, j in PAIRS:
            products[i, j] += sum(
                int(np.dot(a, b)) << (a_shift + b_shift)
                for a, a_shift in limbs[i]
                for b, b_shift in limbs[j]
            )
    return products


def _limbs(column: np.ndarray) -> list[tuple[np.ndarray, int]]:
    # With their shifts; the top one carries the sign, and those of zeros are left out.
    bits = 2**LIMB_BITS - 1
    low, middle, high = column & bits, (column >> LIMB_BITS) & bits, column >> (2 * LIMB_BITS)
    limbs = ((low, 0), (middle, LIMB_BITS), (high, 2 * LIMB_BITS))
    return [(limb, shift) for limb, shift in limbs if limb.any()]
