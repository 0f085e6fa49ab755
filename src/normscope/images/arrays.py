"""Arrays of images: NumPy files mapped into memory, and which axis is which."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np

from normscope.errors import NormscopeError
from normscope.images.pixels import Pixels, UnreadableImage

if TYPE_CHECKING:
    from pathlib import Path

COLOUR = {1, 3, 4}
LAYOUTS = ("HW", "NHW", "HWC", "CHW", "NCHW", "NHWC", "HWN", "HWCN")
"""What the axes of an array may be: images, channels, height and width."""

MAX_BYTES = 2**31
"""A compressed array is unpacked into memory, so its claim is bounded."""


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


def as_images(array: np.ndarray, name: str, layout: str | None = None) -> np.ndarray:
    """See an array as images of shape ``(N, C, H, W)``.

    Args:
        array: Integers, floats or booleans with 2 to 4 axes.
        name: What the array is called in errors.
        layout: What its axes are, such as ``HWC``; ``layout_of`` says if None.

    Returns:
        A view of the array, without a copy.

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
    if array.ndim not in {2, 3, 4} or 0 in array.shape:
        raise NormscopeError(
            f"{name} must have the shape (H, W), (N, H, W), (N, C, H, W) or (N, H, W, C) with no "
            f"axis empty, got {array.shape}. Reshape the array."
        )
    if array.dtype.kind == "b":
        array = array.view(np.uint8)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype == np.float16 or array.dtype.itemsize > 8:
        array = array.astype(np.float32 if array.dtype.itemsize == 2 else np.float64)
    layout = layout or layout_of(array.shape)
    if len(layout) != array.ndim:
        raise NormscopeError(
            f"{name} must have the {len(layout)} axes of --layout {layout}, got the shape "
            f"{array.shape}. Give a layout with as many letters."
        )
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
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, tokenize.TokenError) as error:
        raise NormscopeError(
            f"{path} must be a whole NumPy file of numbers, got: {_first_line(error)}. "
            "Save the array again with numpy.save."
        ) from None


def decode_npy(data: bytes) -> Pixels:
    """The images in the bytes of a ``.npy`` file.

    Args:
        data: The file's bytes.

    Returns:
        All of its images.

    Raises:
        UnreadableImage: If it holds no images, or is truncated.
    """
    try:
        array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
        return Pixels(as_images(array, "it"))
    except (OSError, ValueError, EOFError, SyntaxError, tokenize.TokenError) as error:
        raise UnreadableImage(f"not a whole NumPy file of numbers: {_first_line(error)}") from None
    except NormscopeError as error:
        raise UnreadableImage(str(error)) from None


def open_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file: mapped where stored as they are, unpacked where compressed.

    Args:
        path: The file.

    Returns:
        The arrays of numbers by name, in the file's order.

    Raises:
        NormscopeError: If the file is no archive of arrays, is cut or claims too many bytes.
    """
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.filename.endswith(".npy"):
                    continue
                if info.compress_type == zipfile.ZIP_STORED:
                    array = _mapped_member(path, archive, info)
                else:
                    array = _unpacked_member(path, archive, info)
                arrays[info.filename.removesuffix(".npy")] = array
    except (
        OSError, ValueError, EOFError, SyntaxError, tokenize.TokenError, zipfile.BadZipFile,
        zlib.error,
    ) as error:  # fmt: skip
        raise NormscopeError(
            f"{path} must be a whole NumPy archive of numbers, got: {_first_line(error)}. "
            "Save the arrays again with numpy.savez."
        ) from None
    return arrays


def images_of_npz(
    path: Path, split: str | None, layout: str | None = None
) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file that hold images, of one split.

    Arrays of fewer than three axes are labels. Names that start with ``train``, ``val`` or
    ``test`` (or end so after an underscore, as ``x_train``) tell the split.

    Args:
        path: The file.
        split: ``train``, ``val``, ``test``, ``all``, or None: ``train`` where there is one.
        layout: As of ``as_images``.

    Returns:
        Arrays of shape ``(N, C, H, W)`` by name.

    Raises:
        NormscopeError: If no array holds images, or none of the split.
    """
    arrays = {
        name: as_images(array, f"{path}[{name}]", layout)
        for name, array in open_npz(path).items()
        if array.ndim >= 3
    }
    if not arrays:
        raise NormscopeError(
            f"{path} must hold an array of images with 3 or 4 axes, got none. Save the pixels."
        )
    wanted = {name: a for name, a in arrays.items() if _split_of(name) == (split or "train")}
    if wanted:
        return wanted
    if split in {None, "all"}:
        return arrays
    raise NormscopeError(
        f"{path} must hold an array of --split {split}, got {', '.join(arrays)}. "
        "Choose a split that is there, or all."
    )


def _split_of(name: str) -> str | None:
    words = name.lower().split("_")
    return next((s for s in ("train", "val", "test") if s in {words[0], words[-1]}), None)


def _mapped_member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(info) as member:
        shape, fortran, dtype = _header(member)
        header = member.tell()
    with path.open("rb") as raw:
        raw.seek(info.header_offset + 26)
        lengths = np.frombuffer(raw.read(4), "<u2")
    offset = info.header_offset + 30 + int(lengths.sum()) + header
    if header + math.prod(shape) * dtype.itemsize > info.file_size:
        raise ValueError(f"{info.filename} is shorter than its header says")
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape, order="F" if fortran else "C")


def _unpacked_member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(info) as member:
        shape, fortran, dtype = _header(member)
        bytes_ = math.prod(shape) * dtype.itemsize
        if bytes_ > MAX_BYTES:
            raise NormscopeError(
                f"{path} must hold compressed arrays of at most {MAX_BYTES} bytes, got "
                f"{info.filename} of {bytes_}. Save it uncompressed, so that it can be mapped."
            )
        data = member.read(bytes_ + 1)
    if len(data) != bytes_:
        raise ValueError(f"{info.filename} does not have the length that its header says")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _header(member) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(member)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, fortran, dtype = read(member)
    if dtype.hasobject:
        raise ValueError("objects that would have to be unpickled")
    return shape, fortran, dtype


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
