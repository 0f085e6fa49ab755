"""What the axes of an array are: by their names, by what was said, or by their lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normscope.images.arrays import COLOUR, layout_of

if TYPE_CHECKING:
    from collections.abc import Sequence

ROWS = {
    "y", "row", "rows", "height", "h", "lat", "latitude", "northing", "ny", "nlat", "rlat",
    "south_north", "ydim", "j",
}  # fmt: skip
COLUMNS = {
    "x", "col", "cols", "column", "columns", "width", "w", "lon", "longitude", "easting", "nx",
    "nlon", "rlon", "west_east", "xdim", "i",
}  # fmt: skip
CHANNELS = {
    "c", "channel", "channels", "band", "bands", "wavelength", "wavelengths", "rgb", "rgba",
    "sample_channel",
}  # fmt: skip
"""What the axes of images are called, by the format's own conventions or by custom."""


def named_axes(dims: Sequence[str]) -> str | None:
    """What axes are by their names.

    Args:
        dims: The name of each axis.

    Returns:
        A letter for each: H, W, at most one C, and N for all others; None where the names do not
        tell rows and columns.

    Example:
        >>> named_axes(["time", "band", "lat", "lon"]), named_axes(["a", "b"])
        ('NCHW', None)
    """
    kinds = {"H": ROWS, "W": COLUMNS, "C": CHANNELS}
    letters = [
        next((letter for letter, names in kinds.items() if dim.lower() in names), "N")
        for dim in dims
    ]
    if letters.count("H") != 1 or letters.count("W") != 1 or letters.count("C") > 1:
        return None
    return "".join(letters)


def guessed_axes(shape: Sequence[int]) -> str:
    """What axes most likely are, by their lengths.

    Args:
        shape: Of two axes or more.

    Returns:
        A letter for each; what comes before four axes are images.

    Example:
        >>> guessed_axes((2, 10, 32, 32, 3))
        'NNHWC'
    """
    return "N" * (len(shape) - 4) + layout_of(tuple(shape[-4:]))


def matlab_axes(shape: Sequence[int]) -> str:
    """What axes most likely are where MATLAB wrote them: height, width, channel, image.

    Args:
        shape: Of two axes or more, in MATLAB's order.

    Returns:
        A letter for each.

    Example:
        >>> matlab_axes((32, 32, 3, 500)), matlab_axes((64, 48, 200)), matlab_axes((9, 8, 8, 3))
        ('HWCN', 'HWN', 'NHWC')
    """
    if len(shape) == 2:
        return "HW"
    if len(shape) == 3:
        return "HWC" if shape[2] in COLOUR else "HWN"
    # As Python's programmers save them.
    if shape[2] not in COLOUR and shape[3] in COLOUR:
        return "NHWC" + "N" * (len(shape) - 4)
    return "HWCN" + "N" * (len(shape) - 4)
