"""One encoded image of any depth and band count to pixels, bounded in size beforehand."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from normscope.images.arrays import decode_npy
from normscope.images.formats import (
    EXR_MAGIC,
    GZIP_MAGIC,
    HDR_MAGIC,
    HEAD,
    JPEG2000_MAGIC,
    JPEG_MAGIC,
    JPEGXL_MAGIC,
    NPY_MAGIC,
    PNG_MAGIC,
    TIFF_MAGIC,
    is_dicom,
    is_nifti,
)
from normscope.images.jpeg import decode_jpeg
from normscope.images.jpeg2000 import decode_deep_jpeg2000, is_of_8_bits
from normscope.images.pillow import decode_by_pillow, has_several_pages, is_tiff_of_bytes
from normscope.images.pixels import AXES, SEVERAL_PAGES, Pixels, UnreadableImage
from normscope.images.png import decode_deep_png
from normscope.images.pnm import decode_deep_pnm, is_deep_pnm

if TYPE_CHECKING:
    from collections.abc import Callable

NOT_8_BITS = "not an image of 8 bits a channel"


def decode(data: bytes) -> Pixels:
    """Decode an image without changing a value: 16 bits stay 16 bits, bands stay bands.

    JPEGs of 8 bits, 16-bit PNGs and Radiance pictures go through OpenCV, deeper JPEGs, JPEG XL and
    JPEG 2000 of other depths through imagecodecs, TIFFs through tifffile, DICOM through pydicom,
    NIfTI through nibabel, OpenEXR through its own library, everything else but deep PNMs through
    Pillow. Palettes become colours, and fully transparent pixels do not count. Exif orientation is
    left alone: it moves pixels and changes none.

    Args:
        data: The file's bytes.

    Returns:
        One image; of a NumPy file all that it holds.

    Raises:
        UnreadableImage: If the data is no image, is truncated or too large.
    """
    return _bounded(_decoder(data), data)


def _decoder(data: bytes) -> Callable[[bytes], Pixels]:
    # Before TIFF: the preamble of a DICOM slide may be a TIFF's header.
    if is_dicom(data[:HEAD]):
        from normscope.images.dicom import decode_dicom

        return decode_dicom
    if data[:4] in TIFF_MAGIC:
        from normscope.images.tiff import decode_tiff

        return decode_tiff
    if data[: len(NPY_MAGIC)] == NPY_MAGIC:
        return decode_npy
    if data[:2] == GZIP_MAGIC or is_nifti(data[:HEAD]):
        from normscope.images.nifti import decode_nifti

        return decode_nifti
    if data.startswith(JPEGXL_MAGIC):
        from normscope.images.jpegxl import decode_jpegxl

        return decode_jpegxl
    if data[: len(EXR_MAGIC)] == EXR_MAGIC:
        from normscope.images.high_range import decode_exr

        return decode_exr
    if data.startswith(HDR_MAGIC):
        from normscope.images.high_range import decode_hdr

        return decode_hdr
    return _usual_decoder(data)


def _usual_decoder(data: bytes) -> Callable[[bytes], Pixels]:
    if data[:2] == JPEG_MAGIC:
        return decode_jpeg
    if data[:8] == PNG_MAGIC and data[24:25] == b"\x10":
        return decode_deep_png
    if data.startswith(JPEG2000_MAGIC) and not is_of_8_bits(data):
        return decode_deep_jpeg2000
    if is_deep_pnm(data):
        return decode_deep_pnm
    return decode_by_pillow


def decode_for_networks(data: bytes) -> Pixels:
    """Decode an image, or several, as networks are trained on.

    As ``decode`` does, but a TIFF of bytes goes through Pillow, which takes its fourth channel for
    alpha.

    Args:
        data: The file's bytes.

    Returns:
        One image; of a volume, of frames and of a NumPy file all that it holds.

    Raises:
        UnreadableImage: As of ``decode``, or if it is a TIFF of several pages, or of more
            pixels than other images may have.
    """
    if data[:4] not in TIFF_MAGIC or is_dicom(data[:HEAD]):
        return decode(data)
    pixels = None
    if is_tiff_of_bytes(data):
        with suppress(UnreadableImage):  # of some compressions, which tifffile knows
            pixels = _bounded(decode_by_pillow, data)
    if pixels is not None:
        has_pages = has_several_pages(data)
        if has_pages is None:  # it is unlike the first, or the file is cut, which tifffile tells
            from normscope.images.tiff import opened_tiff

            with opened_tiff(io.BytesIO(data)):
                has_pages = False
    else:
        from normscope.images.tiff import decode_shown_tiff

        pixels = _bounded(decode_shown_tiff, data)
        has_pages = SEVERAL_PAGES in pixels.noticed
    if has_pages:
        raise UnreadableImage("a TIFF of several pages, of which a network is shown one")
    return pixels


def decode_single(data: bytes, usual: np.dtype | None = None) -> Pixels:
    """Decode an image of any depth and number of channels.

    Args:
        data: The file's bytes.
        usual: The type of pixels that it must have, or any floats for floats; None for every type.

    Returns:
        One image.

    Raises:
        UnreadableImage: As of ``decode``, or if it is no single image of that type.
    """
    pixels = decode_for_networks(data)
    if len(pixels.values) != 1:
        axes = [what.removeprefix(AXES) for what in pixels.noticed if what.startswith(AXES)]
        taken = f", an array whose axes are read as {axes[0]}" if axes else ""
        raise UnreadableImage(f"{len(pixels.values)} images in one file{taken}")
    met = pixels.values.dtype
    if usual is not None and met != usual and {met.kind, usual.kind} != {"f"}:
        raise UnreadableImage(f"pixels of {met.name}, where most images have {usual.name}")
    return pixels


def decode_8_bits(data: bytes) -> Pixels:
    """Decode an image of 8 bits a channel, grey or colour.

    Args:
        data: The file's bytes.

    Returns:
        One image, uint8, with one channel or three.

    Raises:
        UnreadableImage: As of ``decode_single``, or if it has other than 8 bits or other channels.
    """
    pixels = decode_single(data)
    channels = pixels.values.shape[1]
    if channels not in {1, 3}:
        raise UnreadableImage(f"{channels} channels are neither grey nor colour")
    if pixels.values.dtype != np.uint8:
        raise UnreadableImage(f"{NOT_8_BITS} ({pixels.values.dtype})")
    return pixels


def as_bytes_are(values: np.ndarray, white: float) -> np.ndarray:
    """Pixels of any depth on the scale of bytes, on which white is 255.

    Args:
        values: Any shape.
        white: The value of white among them.

    Returns:
        float32, neither rounded nor clipped.

    Raises:
        UnreadableImage: If they are infinite or not a number.
    """
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise UnreadableImage("pixels that are infinite or not a number")
    return np.multiply(values, np.float64(255 / white), dtype=np.float32, casting="unsafe")


def decode_as_8_bits(data: bytes, full: float) -> Pixels:
    """Decode an image of any depth and bring it to 8 bits.

    Args:
        data: The file's bytes.
        full: The value of white, in deeper images; those of 8 bits stay as they are.

    Returns:
        One image, uint8, with the channels that it has.

    Raises:
        UnreadableImage: As of ``decode_single``.
    """
    pixels = decode_single(data)
    if pixels.values.dtype == np.uint8:
        return pixels
    bytes_ = np.empty(pixels.values.shape, np.uint8)
    # Row by row: as floats a large image takes four times the memory.
    for row in range(pixels.values.shape[2]):
        floats = as_bytes_are(pixels.values[:, :, row], full)
        bytes_[:, :, row] = np.clip(np.rint(floats), 0, 255)
    return replace(pixels, values=bytes_)


def _bounded(decoder, data: bytes) -> Pixels:
    if not data:
        raise UnreadableImage("an empty file")
    try:
        return decoder(data)
    except MemoryError:
        raise UnreadableImage("more pixels than memory holds") from None
