"""The orientation that a camera notes beside an image's pixels."""

from __future__ import annotations

import io

import numpy as np

from normscope.images.formats import TIFF_MAGIC
from normscope.quiet import without_warnings

ORIENTATION = 0x0112
"""The tag's number (CIPA DC-008, Exif 2.32, 2019, section 4.6.4)."""

UPRIGHT = 1


def orientation_of(data: bytes) -> int:
    """The Exif orientation of an encoded image.

    Args:
        data: The file's bytes, of an image that can be decoded.

    Returns:
        1 to 8; 1 where none can be read, and for TIFFs, which Pillow turns upright itself.
    """
    if data[:4] in TIFF_MAGIC:
        return UPRIGHT
    from PIL import Image

    with without_warnings():
        try:
            with Image.open(io.BytesIO(data)) as image:
                noted = image.getexif().get(ORIENTATION, UPRIGHT)
        except Exception:  # noqa: BLE001 - Pillow raises many kinds at damage that others read past
            # Damaged headers or Exif beside sound pixels, or a format of another library's:
            # nothing is known of the orientation.
            return UPRIGHT
    return noted if noted in range(1, 9) else UPRIGHT


def turned_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """An image as the camera meant it to be seen.

    Args:
        pixels: Shape ``(C, H, W)``, as stored.
        orientation: 1 to 8, as Exif has it.

    Returns:
        Shape ``(C, H, W)``, or ``(C, W, H)`` for 5 to 8.

    Example:
        >>> turned_upright(np.array([[[1, 2], [3, 4]]]), 6).tolist()
        [[[3, 1], [4, 2]]]
    """
    if orientation >= 5:
        pixels = pixels.swapaxes(1, 2)
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, :, ::-1]
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[:, ::-1, :]
    return np.ascontiguousarray(pixels)
