"""NIfTI volumes: slice by slice, in the units that their header scales to."""

from __future__ import annotations

import gzip
import io
import math
import zlib
from typing import Any

import numpy as np

from normscope.errors import MissingExtra
from normscope.images.formats import GZIP_MAGIC, HEAD, is_nifti
from normscope.images.pixels import APPLIED, MAX_BYTES, PARTS, Pixels, UnreadableImage, check_bytes
from normscope.wording import first_line

UNSCALED = (1.0, 0.0)
"""Slope and intercept that change nothing."""


def decode_nifti(data: bytes) -> Pixels:
    """Decode the slices of a volume along its third axis; further axes are more slices.

    A fifth axis, which holds the values of each voxel, is the channels (nifti1.h, "dim[5]";
    https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h).

    Args:
        data: The file's bytes, compressed by gzip or not.

    Returns:
        One image a slice, its slope and intercept applied.

    Raises:
        MissingExtra: If nibabel is not installed.
        UnreadableImage: If the file is no volume, is truncated, or claims too many values.
    """
    if data[:2] == GZIP_MAGIC:
        data = _unpacked(data)
    if not is_nifti(data[:HEAD]):
        raise UnreadableImage("not an image in a known format")
    try:
        import nibabel
    except ImportError:
        raise MissingExtra("nibabel", "NIfTI volumes") from None
    version = nibabel.Nifti1Image if data[344:348] == b"n+1\0" else nibabel.Nifti2Image
    try:
        volume = version.from_bytes(data)
        bytes_ = math.prod(volume.shape) * max(8, np.dtype(volume.get_data_dtype()).itemsize)
        check_bytes(bytes_)
        values = np.asanyarray(volume.dataobj)
        # The header of a loaded volume has forgotten them.
        proxy: Any = volume.dataobj
        scaled = (proxy.slope, proxy.inter) != UNSCALED
    except UnreadableImage:
        raise
    except Exception as error:  # noqa: BLE001 - headers can be wrong in many ways
        raise UnreadableImage(f"not a readable NIfTI volume: {first_line(error)}") from None
    noticed = ["that are slices of volumes" + PARTS]
    volumes = math.prod(volume.shape[3:4] if volume.ndim == 5 else volume.shape[3:])
    if volumes > 1:
        noticed.append(
            f"of files with {volumes} volumes each, which count as more slices, as of a film: if "
            "they are channels, save each file's get_fdata().transpose(2, 3, 1, 0) as .npy"
        )
    noticed += [f"with a slope and intercept, {APPLIED}"] if scaled else []
    return Pixels(_slices(values), noticed=tuple(noticed))


def _unpacked(data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            unpacked = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableImage(f"not a whole gzip file: {error}") from None
    if len(unpacked) > MAX_BYTES:
        raise UnreadableImage(f"more than {MAX_BYTES} bytes once unpacked")
    return unpacked


def _slices(values: np.ndarray) -> np.ndarray:
    if values.dtype.names:
        values = np.stack([values[name] for name in values.dtype.names], axis=-1)
        colours = values.reshape(*values.shape[:2], -1, values.shape[-1])
        return np.ascontiguousarray(colours.transpose(2, 3, 1, 0))
    if values.dtype.kind not in "iuf" or values.ndim < 2:
        raise UnreadableImage(f"values of type {values.dtype} are neither integers nor floats")
    # The first axis runs along a row.
    if values.ndim == 5:
        values = values.reshape(*values.shape[:2], -1, values.shape[4])
        return np.ascontiguousarray(values.transpose(2, 3, 1, 0))
    return np.ascontiguousarray(values.reshape(*values.shape[:2], -1).transpose(2, 1, 0))[:, None]
