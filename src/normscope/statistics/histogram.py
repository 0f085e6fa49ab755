"""How many pixels take each value: the bins of each pixel type and fast counting into them."""

from __future__ import annotations

import numpy as np


def bins_of(dtype: np.dtype) -> int:
    """How many bins a pixel type has: 256 for 8 bits, 65,536 for all others.

    Args:
        dtype: The pixels' type.

    Returns:
        The number of bins.
    """
    return 256 if dtype.itemsize == 1 else 65_536


def bin_values(dtype: np.dtype) -> np.ndarray:
    """The value that each bin stands for, in rising order.

    An integer type of up to 16 bits has a bin for each value. For wider types and floats a bin
    holds the numbers that share the leading 16 bits of their float32 form (sign, exponent and 7
    bits), so that no range must be known beforehand, and is named by its least magnitude.

    Args:
        dtype: The pixels' type.

    Returns:
        int64 or float64, one value per bin.

    Example:
        >>> bin_values(np.dtype(np.int8))[[0, -1]].tolist()
        [-128, 127]
    """
    if dtype.kind in "iub" and dtype.itemsize <= 2:
        lowest = np.iinfo(dtype).min if dtype.kind == "i" else 0
        return np.arange(lowest, lowest + bins_of(dtype), dtype=np.int64)
    order = np.arange(65_536, dtype=np.uint32)
    bits = np.where(order >= 0x8000, order ^ 0x8000, order ^ 0xFFFF).astype(np.uint32)
    with np.errstate(invalid="ignore"):
        return (bits << 16).view(np.float32).astype(np.float64)


def count_bins(pixels: np.ndarray) -> np.ndarray:
    """Count the pixels of one channel into the bins of their type.

    Args:
        pixels: Integers or floats without NaN, of any shape.

    Returns:
        int64, shape ``(bins,)``.

    Example:
        >>> count_bins(np.array([0, 255, 255], np.uint8))[[0, 255]].tolist()
        [1, 2]
    """
    dtype = pixels.dtype
    flat = pixels.reshape(-1)
    if dtype.kind in "ub" and dtype.itemsize <= 2:
        order = flat
    elif dtype.kind == "i" and dtype.itemsize <= 2:
        order = flat.astype(np.int64) - np.iinfo(dtype).min
    else:
        bits = flat.astype(np.float32).view(np.uint32) >> 16
        order = np.where(bits >= 0x8000, bits ^ 0xFFFF, bits ^ 0x8000)
    return np.bincount(order, minlength=bins_of(dtype)).astype(np.int64, copy=False)
