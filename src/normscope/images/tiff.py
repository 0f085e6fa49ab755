"""TIFF of any band count and pixel type, bounded in size before it is decoded."""

from __future__ import annotations

import io
import logging
import math
import struct
import zlib
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from normscope.errors import NormscopeError
from normscope.images.pillow import decode_by_pillow
from normscope.images.pixels import (
    ALPHA_KEPT,
    MAX_BYTES,
    MAX_PIXELS,
    SEVERAL_PAGES,
    Pixels,
    UnreadableImage,
    split_alpha,
)
from normscope.images.tiff_masks import image_pages
from normscope.images.tiff_metadata import channel_metadata
from normscope.wording import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tifffile import TiffPage, TiffPageSeries

    from normscope.images.tiff_chain import OpenTiff
    from normscope.images.tiff_metadata import ChannelMetadata

PALETTE, CMYK = 3, 5
WHITE_IS_ZERO = 0
ASSOCIATED, UNASSOCIATED = 1, 2
"""ExtraSamples: two kinds of alpha (TIFF 6.0, 1992, section 18). GDAL tags the fourth of four bands
of bytes as the second kind, whatever it holds, unless its user says otherwise."""

GDAL_NODATA = 42113
"""The tag with the value of pixels that hold nothing, as text (GDAL's GeoTIFF driver)."""

# tifffile reports through logging what it finds odd; without a handler Python would print it.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def decode_tiff(data: bytes) -> Pixels:
    """Decode the first image series of a TIFF.

    Samples and the channels that OME or ImageJ name as an axis become channels. Other axes (pages,
    time, depth) are stacked as more rows of the same image, so that every pixel of the series
    counts.

    Args:
        data: The file's bytes.

    Returns:
        One image.

    Raises:
        NormscopeError: If tifffile is not installed.
        UnreadableImage: If the data is no TIFF, is truncated, or claims too many bytes.
    """
    with opened_tiff(io.BytesIO(data)) as opened:
        return whole_tiff(opened, data)


def decode_shown_tiff(data: bytes) -> Pixels:
    """Decode a TIFF that a network is shown.

    Args:
        data: The file's bytes.

    Returns:
        As of ``decode_tiff``.

    Raises:
        UnreadableImage: As there, or if it has more pixels than an image of another format may.
    """
    with opened_tiff(io.BytesIO(data)) as opened:
        page = image_pages(opened.file).series.keyframe
        if page.imagewidth * page.imagelength > MAX_PIXELS:
            raise UnreadableImage(
                f"{page.imagewidth} x {page.imagelength} pixels is too large for a network, which "
                "is shown whole images: cut it into tiles"
            )
        return whole_tiff(opened, data)


@contextmanager
def opened_tiff(source: BinaryIO) -> Iterator[OpenTiff]:
    """Open a TIFF and read its header.

    Args:
        source: The file's bytes.

    Yields:
        The open file; what fails while it is read is raised as ``UnreadableImage``.

    Raises:
        NormscopeError: If tifffile is not installed.
        UnreadableImage: If the data is no TIFF or is truncated.
    """
    try:
        import tifffile
    except ImportError:
        raise NormscopeError(
            "TIFF images must be read by tifffile and imagecodecs, got neither installed. "
            "Install them by pip install 'normscope[tiff]'."
        ) from None
    from normscope.images.tiff_chain import open_chain

    try:
        with open_chain(source) as opened:
            yield opened
    except (
        tifffile.TiffFileError, OSError, RuntimeError, ValueError, TypeError, LookupError,
        ArithmeticError, AttributeError, struct.error, zlib.error,
    ) as error:  # fmt: skip
        raise UnreadableImage(f"not a readable TIFF: {first_line(error)}") from None


def bytes_of(series: TiffPageSeries) -> int:
    """How many bytes the pixels of a series take.

    Args:
        series: Of a TIFF.

    Returns:
        Their number, unpacked.
    """
    return math.prod(series.shape) * np.dtype(series.dtype).itemsize


def whole_tiff(opened: OpenTiff, data: bytes) -> Pixels:
    """Decode the first series of an open TIFF at once.

    Args:
        opened: The TIFF.
        data: Its bytes.

    Returns:
        One image.

    Raises:
        UnreadableImage: If it claims too many bytes, or none.
    """
    images = image_pages(opened.file)
    series = images.series
    bytes_ = bytes_of(series)
    if bytes_ > MAX_BYTES:
        raise UnreadableImage(f"{bytes_} bytes of pixels is too large")
    if bytes_ == 0:
        raise UnreadableImage("a TIFF without pixels")
    if series.keyframe.photometric in {PALETTE, CMYK}:
        found = decode_by_pillow(data)
    else:
        said = channel_metadata(opened.file)
        found = pixels_of(series.asarray(), series.axes, series.keyframe, said)
    if not found.values.size:
        # A damaged header can promise pixels that its file does not hold.
        raise UnreadableImage("a TIFF without pixels")
    found = images.masked(found)
    return replace(found, noticed=(*found.noticed, *parts_of(opened, series)))


def pixels_of(pixels: np.ndarray, axes: str, page: TiffPage, said: ChannelMetadata) -> Pixels:
    """Pixels of a TIFF, or of a part of it, as this package has them.

    Args:
        pixels: As stored.
        axes: What each axis is, in tifffile's letters.
        page: Whose tags say what the values mean.
        said: What the file says of its channels.

    Returns:
        One image as measured; what holds nothing does not count.
    """
    return said.applied(_without_nodata(_oriented(pixels, axes, page), page))


def _oriented(pixels: np.ndarray, axes: str, page) -> Pixels:
    if pixels.dtype.kind not in "biuf":
        raise UnreadableImage(f"pixels of type {pixels.dtype} are neither integers nor floats")
    if pixels.dtype.kind == "b" or page.bitspersample in {1, 2, 4}:
        # tifffile unpacks fewer bits than eight and does not widen them.
        pixels = pixels.astype(np.uint8) * (255 // (2**page.bitspersample - 1))
    if page.photometric == WHITE_IS_ZERO and pixels.dtype.kind == "u":
        pixels = np.iinfo(pixels.dtype).max - pixels
    channels = [axes.index(axis) for axis in "CS" if axis in axes]
    if not channels:
        return Pixels(pixels.reshape(1, 1, -1, pixels.shape[-1]))
    bands = np.moveaxis(pixels, channels, range(len(channels)))
    count = math.prod(bands.shape[: len(channels)])
    bands = bands.reshape(count, -1, bands.shape[-1])
    extra = [int(kind) for kind in page.extrasamples]
    if extra == [ASSOCIATED] and len(bands) > 1:
        return split_alpha(bands)
    return Pixels(bands[None], noticed=(ALPHA_KEPT,) if extra == [UNASSOCIATED] else ())


def _without_nodata(pixels: Pixels, page) -> Pixels:
    tag = page.tags.get(GDAL_NODATA)
    text = "" if tag is None else str(tag.value).strip(" \0")
    try:
        # As a float, and as the pixels' type has it: float32 keeps fewer digits than the text.
        value = np.float64(text).astype(pixels.values.dtype)
    except ValueError:
        return pixels
    with np.errstate(invalid="ignore"):
        if not text or (pixels.values.dtype.kind in "iu" and float(value) != float(text)):
            return pixels
    counted = pixels.values != value
    if counted.all():
        return pixels
    valid = counted if pixels.valid is None else counted & pixels.valid
    said = f"with pixels of the nodata value that the header names, {text}: these do not count"
    return replace(pixels, valid=valid, noticed=(*pixels.noticed, said))


def parts_of(opened: OpenTiff, series: TiffPageSeries) -> tuple[str, ...]:
    """What a TIFF holds beside one image.

    Args:
        opened: The TIFF.
        series: Its images.

    Returns:
        What a reader should know of it.
    """
    noticed = [*opened.noticed]
    if len(series.pages) > 1:
        noticed.append(SEVERAL_PAGES)
    if any(not other.keyframe.is_mask for other in opened.file.series[1:]):
        noticed.append("with parts of other sizes or types, such as overviews: the first counts")
    return tuple(noticed)
