"""Arrays of images: which axis is which, and NumPy files mapped into memory."""

from __future__ import annotations

import io
import threading
import tokenize
from typing import TYPE_CHECKING

import numpy as np

from normscope.errors import NormscopeError
from normscope.images.formats import NPY_MAGIC
from normscope.images.pixels import AXES, Pixels, UnreadableImage, in_native_type
from normscope.wording import first_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COLOUR = {1, 3, 4}
LAYOUTS = ("HW", "NHW", "HWC", "CHW", "NCHW", "NHWC", "HWN", "HWCN")
"""What the axes of an array may be: images, channels, height and width."""

MAX_BYTES = 2**31
"""A compressed array is unpacked into memory, so its claim is bounded."""

READING_HEADERS = threading.Lock()
"""NumPy reads them by Python's parser, which in Python 3.11 now and then raises a SystemError where
several threads are in it."""


def layout_of(shape: tuple[int, ...]) -> str:
    """What the axes of an array of images most likely are.

    Three axes are grey images, or one image in colour where the last has 3 or 4 entries. Of four,
    the second is the channel, unless only the last has 1, 3 or 4 entries, or neither has and the
    last is the shortest.

    Args:
        shape: Of two to four axes.

    Returns:
        A layout.

    Example:
        >>> layout_of((64, 48, 3)), layout_of((1000, 28, 28)), layout_of((10, 32, 32, 3))
        ('HWC', 'NHW', 'NHWC')
    """
    if len(shape) == 2:
        return "HW"
    if len(shape) == 3:
        return "HWC" if shape[2] in {3, 4} and min(shape[:2]) > 4 else "NHW"
    _, second, third, last = shape
    # Bands of a satellite are many, and still fewer than an image has rows or columns.
    if second not in COLOUR and (last in COLOUR or last < min(second, third)):
        return "NHWC"
    return "NCHW"


def is_guess(shape: tuple[int, ...]) -> bool:
    """Whether the axes could well be others than ``layout_of`` says."""
    return len(shape) == 3 or (len(shape) == 4 and (shape[1] in COLOUR) == (shape[3] in COLOUR))


def most_of(dtype: np.dtype) -> int | None:
    """The largest value of truth values, which are seen as bytes of 0 and 1; None of all others."""
    return 1 if dtype.kind == "b" else None


def given_axes(layout: str, shape: Sequence[int], name: str) -> str:
    """What axes were said to be.

    Args:
        layout: As of ``--layout``.
        shape: The array's.
        name: What it is called in errors.

    Returns:
        A letter for each.

    Raises:
        NormscopeError: If the layout has other than the array's number of axes.
    """
    if len(layout) != len(shape):
        raise NormscopeError(
            f"{name} must have the {len(layout)} axes of --layout {layout}, got the shape "
            f"{tuple(shape)}. Give a layout with as many letters."
        )
    return layout


def as_images(array: np.ndarray, name: str, layout: str | None = None) -> np.ndarray:
    """See an array as images of shape ``(N, C, H, W)``.

    Args:
        array: Integers, floats or booleans with 2 to 4 axes.
        name: What the array is called in errors.
        layout: What its axes are, such as ``HWC``; ``layout_of`` says if None.

    Returns:
        A view of the array, without a copy; of truth values bytes of 0 and 1.

    Raises:
        NormscopeError: If it has other axes or another type, or no pixel.

    Example:
        >>> as_images(np.zeros((10, 32, 32, 3), np.uint8), "x").shape
        (10, 3, 32, 32)
    """
    if array.dtype.kind not in "biuf":
        raise NormscopeError(
            f"{name} must hold integers or floats, got {array.dtype}. Convert the array."
        )
    if np.ma.is_masked(array):
        raise NormscopeError(
            f"{name} must have no masked values, got a masked array. Fill them with NaN, or with a "
            "value that --nodata names."
        )
    if array.ndim not in {2, 3, 4} or 0 in array.shape:
        raise NormscopeError(
            f"{name} must have the shape (H, W), (N, H, W), (N, C, H, W) or (N, H, W, C) with no "
            f"axis empty, got {array.shape}. Reshape the array."
        )
    if array.dtype.kind == "b":
        array = array.view(np.uint8)
    array = in_native_type(array)
    layout = given_axes(layout or layout_of(array.shape), array.shape, name)
    missing = [axis for axis in "NC" if axis not in layout]
    array = array.transpose([layout.index(axis) for axis in "NCHW" if axis in layout])
    return np.expand_dims(array, tuple("NCHW".index(axis) for axis in missing))


def open_npy(path: Path) -> np.ndarray:
    """Map a ``.npy`` file, so that only the rows at work are in memory.

    Args:
        path: The file.

    Returns:
        The array, read-only.

    Raises:
        NormscopeError: If the file is no array, is truncated, or would unpickle objects.
    """
    try:
        _check_start(path)
        with READING_HEADERS:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, tokenize.TokenError) as error:
        raise NormscopeError(
            f"{path} must be a whole NumPy file of numbers, got: {first_line(error)}. "
            "Save the array again with numpy.save."
        ) from None
    if isinstance(array, np.ndarray):
        return array
    array.close()
    raise NormscopeError(
        f"{path} must be a NumPy file of one array, got an archive of several. "
        "Give it a name that ends in .npz."
    )


def _check_start(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(len(NPY_MAGIC))
    if head != NPY_MAGIC and head[:2] != b"PK":
        # NumPy would take it for a pickle.
        raise ValueError("a file of another kind" if head else "an empty file")


def decode_npy(data: bytes) -> Pixels:
    """The images in the bytes of a ``.npy`` file among others.

    Each is most likely one image, so that three axes of which the first has 3 or 4 entries are one
    in colour, as torch has them.

    Args:
        data: The file's bytes.

    Returns:
        All of its images.

    Raises:
        UnreadableImage: If it holds no images, or is truncated.
    """
    try:
        with READING_HEADERS:
            array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
        layout = layout_of(array.shape) if array.ndim in {2, 3, 4} else None
        if layout == "NHW" and array.shape[0] in COLOUR - {1} and min(array.shape[1:]) > 4:
            layout = "CHW"
        images = as_images(array, "it", layout)
        noticed = (f"{AXES}{layout}",) if is_guess(array.shape) else ()
        return Pixels(images, noticed=noticed, most=most_of(array.dtype))
    except (OSError, ValueError, EOFError, SyntaxError, tokenize.TokenError) as error:
        raise UnreadableImage(f"not a whole NumPy file of numbers: {first_line(error)}") from None
    except NormscopeError as error:
        raise UnreadableImage(str(error)) from None
