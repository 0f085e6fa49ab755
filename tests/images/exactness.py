"""Statistics against NumPy over the same pixels: integers to the last digit."""

from __future__ import annotations

from fractions import Fraction

import numpy as np


def exact(found, array, channel):
    """Compare integers to the last digit: the mean as the exact fraction rounds."""
    for c, mean in enumerate(found.mean.value):
        pixels = np.take(array, c, channel).astype(object)
        assert mean == float(Fraction(int(pixels.sum()), pixels.size) / Fraction(found.scale))
    axes = tuple(axis for axis in range(array.ndim) if axis != channel)
    np.testing.assert_allclose(found.std.value, array.std(axes) / found.scale, rtol=1e-12)
