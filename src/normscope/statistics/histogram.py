"""How many pixels take each value: the bins of each pixel type and fast counting into them."""

from __future__ import annotations

import numpy as np

FAST_PIXELS = 8_192
"""Fewer pixels are counted sooner by NumPy than Pillow is called."""

STRIP_PIXELS = 2**24
"""OpenCV returns counts as float32, which holds every integer up to this one."""

MOST_ALONE = 2**18
"""Up to so many bytes of one channel OpenCV, which lets other threads work, is the quicker one."""

QUAD_BYTES = 2**24
"""Pillow is lent so many bytes at a time; a multiple of four, below its largest image."""

PEEKED = 64
INT16 = np.iinfo(np.int16)


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
    if dtype == np.uint8 and flat.size >= FAST_PIXELS:
        return _count_bytes(np.ascontiguousarray(flat))
    if dtype.kind in "ub" and dtype.itemsize <= 2:
        order = flat
    elif dtype.kind == "i" and dtype.itemsize <= 2:
        order = flat.astype(np.int64) - np.iinfo(dtype).min
    else:
        bits = flat.astype(np.float32).view(np.uint32) >> 16
        order = np.where(bits >= 0x8000, bits ^ 0xFFFF, bits ^ 0x8000)
    return np.bincount(order, minlength=bins_of(dtype)).astype(np.int64, copy=False)


def count_whole(pixels: np.ndarray) -> np.ndarray | None:
    """Count wide pixels that are whole numbers in the range of int16, each value by itself.

    Hounsfield units are stored as integers and become floats by their slope and intercept; their
    own bins are as wide as 8 units, too wide for the percentiles that a window is chosen by.

    Args:
        pixels: Integers or floats without NaN, of any shape.

    Returns:
        int64, shape ``(65536,)``, or None where a pixel is no such number.

    Example:
        >>> count_whole(np.array([-32768.0, 1.0, 1.0]))[[0, 32769]].tolist(), count_whole(0.5)
        ([1, 2], None)
    """
    flat = np.reshape(pixels, -1)
    # The first pixels of most floats tell that they are not whole.
    if (np.rint(flat[:PEEKED]) != flat[:PEEKED]).any():
        return None
    if flat.size and not (flat.min() >= INT16.min and flat.max() <= INT16.max):
        return None
    order = flat.astype(np.int32)
    if (order != flat).any():
        return None
    return np.bincount(order - INT16.min, minlength=65_536).astype(np.int64, copy=False)


def count_colour_bins(image: np.ndarray) -> np.ndarray:
    """Count the pixels of one 8-bit image of three channels into 256 bins each.

    Decoders leave the channels interleaved. OpenCV counts one channel of such memory three times
    as fast as `numpy.bincount`, which has to gather it first.

    Args:
        image: uint8, shape ``(3, H, W)``, a view of an array of shape ``(H, W, 3)`` whose rows may
            be further apart.

    Returns:
        Integers in float32 or int64, shape ``(3, 256)``.
    """
    import cv2

    rows = image.transpose(1, 2, 0)
    if rows.shape[1] > STRIP_PIXELS:
        return np.stack([count_bins(channel) for channel in image])
    at_once = STRIP_PIXELS // rows.shape[1]
    strips = [
        np.array([cv2.calcHist([strip], [c], None, [256], [0, 256]) for c in range(3)])
        for strip in (rows[top : top + at_once] for top in range(0, len(rows), at_once))
    ]
    counts = strips[0] if len(strips) == 1 else np.sum(strips, axis=0, dtype=np.int64)
    return counts.reshape(3, 256)


def _count_bytes(flat: np.ndarray) -> np.ndarray:
    if flat.size <= MOST_ALONE:
        import cv2

        return cv2.calcHist([flat[None]], [0], None, [256], [0, 256]).reshape(-1).astype(np.int64)
    from PIL import Image

    # Four neighbours counted into four tables do not wait for each other's increments, so bytes
    # of one channel are counted as if they were pixels of four.
    whole = flat.size // 4 * 4
    counts = np.bincount(flat[whole:], minlength=256).astype(np.int64, copy=False)
    for start in range(0, whole, QUAD_BYTES):
        part = flat[start : min(start + QUAD_BYTES, whole)]
        quads = Image.frombuffer("RGBX", (part.size // 4, 1), part, "raw", "RGBX", 0, 1)
        counts += np.array(quads.histogram()).reshape(4, 256).sum(axis=0)
    return counts
