"""What the stored values of a TIFF, or of a part of it, are as pixels."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from normscope.images.pillow import as_rgb
from normscope.images.pixels import ALPHA_KEPT, Pixels, UnreadableImage, split_alpha

if TYPE_CHECKING:
    from tifffile import TiffPage

    from normscope.images.tiff_metadata import ChannelMetadata

WHITE_IS_ZERO, MINISBLACK, RGB, PALETTE, CMYK, YCBCR, CIELAB = 0, 1, 2, 3, 5, 6, 8
"""PhotometricInterpretation (TIFF 6.0, 1992, section 8)."""

OTHER_COLOURS = {CMYK: "CMYK", YCBCR: "YCbCr", CIELAB: "LAB"}
"""What Pillow calls colours that become RGB."""

JPEGS = frozenset({6, 7, 33007, 34892})
"""Compressions by JPEG, which give RGB for YCbCr by themselves."""

ASSOCIATED, UNASSOCIATED = 1, 2
"""ExtraSamples: two kinds of alpha (TIFF 6.0, 1992, section 18). GDAL tags the fourth of four bands
of bytes as the second kind, whatever it holds, unless its user says otherwise."""

GDAL_NODATA = 42113
"""The tag with the value of pixels that hold nothing, as text (GDAL's GeoTIFF driver)."""


def pixels_of(pixels: np.ndarray, axes: str, page: TiffPage, said: ChannelMetadata) -> Pixels:
    """Pixels of a TIFF, or of a part of it, as this package has them.

    Args:
        pixels: As stored.
        axes: What each axis is, in tifffile's letters.
        page: Whose tags say what the values mean.
        said: What the file says of its channels.

    Returns:
        One image as measured; what holds nothing does not count.

    Raises:
        UnreadableImage: If they are no numbers, or lack a palette or channels of their colours.
    """
    if pixels.dtype.kind not in "biuf":
        raise UnreadableImage(f"pixels of type {pixels.dtype} are neither integers nor floats")
    if pixels.dtype.kind == "b":
        pixels = pixels.view(np.uint8)
    channels = [axes.index(axis) for axis in "CS" if axis in axes]
    bands = np.moveaxis(pixels, channels, range(len(channels)))
    bands = bands.reshape(math.prod(bands.shape[: len(channels)]), -1, bands.shape[-1])
    found = _shown(bands, page)
    text = _nodata(page)
    nodata = _in_type(text, bands.dtype)
    if nodata is not None:
        # Values as they are stored: shown ones may be inverted, widened or colours.
        counted = bands[None] != nodata
        if not counted.all():
            if counted.shape[1] != found.values.shape[1]:
                counted = counted[:, : found.values.shape[1]].all(1, keepdims=True)
            valid = counted if found.valid is None else counted & found.valid
            what = f"with pixels of the nodata value that the header names, {text}"
            notices = (*found.noticed, f"{what}: these do not count")
            found = replace(found, valid=valid, noticed=notices)
    return said.applied(found)


def _shown(bands: np.ndarray, page: TiffPage) -> Pixels:
    kind, bits = int(page.photometric), page.bitspersample
    if kind == PALETTE:
        return Pixels(_coloured(bands, page)[None])
    mode = OTHER_COLOURS.get(kind)
    if mode and bands.dtype.kind != "f" and not (kind == YCBCR and page.compression in JPEGS):
        return as_rgb(bands, mode)
    most = None
    if bits in {1, 2, 4}:
        # tifffile unpacks fewer bits than eight and does not widen them.
        bands = bands * np.uint8(255 // (2**bits - 1))
    elif bands.dtype.kind == "u" and bits < 8 * bands.dtype.itemsize:
        most = 2**bits - 1
    if kind == WHITE_IS_ZERO and bands.dtype.kind == "u":
        bands = (most or np.iinfo(bands.dtype).max) - bands
    extra = [int(sample) for sample in page.extrasamples]
    if extra == [ASSOCIATED] and len(bands) > 1:
        return replace(split_alpha(bands), most=most)
    noticed = (ALPHA_KEPT,) if extra == [UNASSOCIATED] else ()
    return Pixels(bands[None], noticed=noticed, most=most)


def _coloured(bands: np.ndarray, page: TiffPage) -> np.ndarray:
    colours = page.colormap
    if colours is None:
        raise UnreadableImage("a TIFF whose palette is missing")
    # Some writers have colours of bytes where 16 bits belong, as libtiff knows too.
    colours = (colours if colours.max() < 256 else colours >> 8).astype(np.uint8)
    return colours[:, bands].swapaxes(0, 1).reshape(-1, *bands.shape[1:])


def _nodata(page: TiffPage) -> str:
    tag = page.tags.get(GDAL_NODATA)
    return "" if tag is None else str(tag.value).strip(" \0")


def _in_type(text: str, dtype: np.dtype) -> np.generic | None:
    """A number as pixels of a type have it, or None where they cannot have it."""
    try:
        number = float(text)
    except ValueError:
        return None
    if dtype.kind == "f":
        # float32 keeps fewer digits than the text.
        with np.errstate(over="ignore"):
            return np.float64(number).astype(dtype)
    if not number.is_integer():
        return None
    # A float keeps fewer digits than integers of 64 bits.
    whole = int(text) if text.lstrip("+-").isdecimal() else int(number)
    ends = np.iinfo(dtype)
    return dtype.type(whole) if ends.min <= whole <= ends.max else None
