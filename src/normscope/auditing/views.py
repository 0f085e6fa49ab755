"""Parts of an image that a pipeline may show instead of the reference's, in few fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from normscope.auditing.applied import SQUARE, WHOLE

GRID = 8
"""Images are averaged to so many fields a side, which any way of resizing leaves nearly alone."""


@dataclass(frozen=True)
class Views:
    """Parts of an image, so coarse that they are alike after any resize.

    Attributes:
        fields: Pixels in [0, 1] by what is shown, each of shape ``(C, GRID, GRID)``.
        ratio: Width by height of the whole image.
    """

    fields: dict[str, np.ndarray]
    ratio: float

    @classmethod
    def of(cls, pixels: np.ndarray) -> Views:
        """The whole image, and the largest square in its middle.

        Args:
            pixels: uint8 or float32 up to 255, shape ``(C, H, W)``.

        Returns:
            The views.
        """
        height, width = pixels.shape[1:]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = pixels[:, top : top + side, left : left + side]
        return cls({WHOLE: coarse(pixels) / 255, SQUARE: coarse(square) / 255}, width / height)


def coarse(values: np.ndarray) -> np.ndarray:
    """Values averaged to so few fields that any resize leaves them nearly alone.

    Args:
        values: Shape ``(C, H, W)``.

    Returns:
        float64, shape ``(C, GRID, GRID)``.
    """
    import cv2

    # One by one, since OpenCV takes four channels at most.
    channels = np.ascontiguousarray(values, np.float64)
    return np.stack(
        [cv2.resize(one, (GRID, GRID), interpolation=cv2.INTER_AREA) for one in channels]
    )
