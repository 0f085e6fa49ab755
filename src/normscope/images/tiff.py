"""TIFF of any band count and pixel type, bounded in size before it is decoded."""

from __future__ import annotations

import io
import logging
import math
from contextlib import contextmanager
from dataclasses import replace
from operator import add
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from normscope.errors import MissingExtra, NormscopeError
from normscope.images.pixels import (
    MAX_PIXELS,
    SEVERAL_PAGES,
    Pixels,
    UnreadableImage,
    check_bytes,
)
from normscope.images.tiff_masks import image_pages
from normscope.images.tiff_metadata import channel_metadata, check_planes
from normscope.images.tiff_pixels import pixels_of
from normscope.wording import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tifffile import TiffFile, TiffPageSeries

    from normscope.images.tiff_chain import OpenTiff

UNCOMPRESSED = 1
"""Of Compression (TIFF 6.0, 1992, section 8)."""

OTHER_PARTS = "with parts of other sizes or types, such as overviews: these do not count"
ELSEWHERE = "of which some pages lie in other files, or are missing: those in its own file count"
SMALLER = "that is a smaller copy, by its header, of a larger one that is not there"

# tifffile reports through logging what it finds odd; without a handler Python would print it.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def decode_tiff(data: bytes) -> Pixels:
    """Decode an image series of a TIFF: the first that is no smaller copy of another.

    Samples and the channels that OME or ImageJ name as an axis become channels. Other axes (pages,
    time, depth) are stacked as more rows of the same image, so that every pixel of the series
    counts.

    Args:
        data: The file's bytes.

    Returns:
        One image.

    Raises:
        MissingExtra: If tifffile is not installed.
        UnreadableImage: If the data is no TIFF, is truncated, or claims too many bytes.
    """
    with opened_tiff(io.BytesIO(data)) as opened:
        return whole_tiff(opened)


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
        return whole_tiff(opened)


@contextmanager
def opened_tiff(source: BinaryIO) -> Iterator[OpenTiff]:
    """Open a TIFF and read its header.

    Args:
        source: The file's bytes.

    Yields:
        The open file; what fails while it is read is raised as ``UnreadableImage``.

    Raises:
        MissingExtra: If tifffile is not installed.
        NormscopeError: As what reads the open file raises.
        UnreadableImage: If the data is no TIFF or is truncated.
    """
    try:
        import tifffile  # noqa: F401 - what is imported next needs it
    except ImportError:
        raise MissingExtra("tifffile", "TIFF images") from None
    from normscope.images.tiff_chain import open_chain

    try:
        with open_chain(source) as opened:
            check_planes(opened.file)
            yield opened
    except (UnreadableImage, NormscopeError):
        raise
    except Exception as error:  # noqa: BLE001 - tifffile and its codecs raise of any kind
        raise UnreadableImage(f"not a readable TIFF: {first_line(error)}") from None


def bytes_of(series: TiffPageSeries) -> int:
    """How many bytes the pixels of a series take.

    Args:
        series: Of a TIFF.

    Returns:
        Their number, unpacked.
    """
    return math.prod(series.shape) * np.dtype(series.dtype).itemsize


def check_parts(file: TiffFile, series: TiffPageSeries) -> None:
    """Refuse compressed images of which a part is missing, which decoders of JPEG fill with grey.

    Args:
        file: A TIFF.
        series: Its images.

    Raises:
        UnreadableImage: If a tile or strip lies behind the end of the file.
    """
    pages: list[Any] = [page for page in series.pages if page is not None]
    for page in pages:
        if page.keyframe.compression == UNCOMPRESSED:
            continue
        ends = map(add, page.dataoffsets, page.databytecounts)
        if max(ends, default=0) > file.filehandle.size:
            raise UnreadableImage("a TIFF that is cut: some of its pixels lie behind its end")


def whole_tiff(opened: OpenTiff) -> Pixels:
    """Decode an open TIFF at once, the series that ``decode_tiff`` names.

    Args:
        opened: The TIFF.

    Returns:
        One image.

    Raises:
        UnreadableImage: If it claims too many bytes, or none.
    """
    images = image_pages(opened.file)
    series = images.series
    bytes_ = bytes_of(series)
    check_bytes(bytes_)
    if bytes_ == 0:
        raise UnreadableImage("a TIFF without pixels")
    check_parts(opened.file, series)
    said = channel_metadata(opened.file, series.keyframe)
    found = pixels_of(series.asarray(), series.axes, series.keyframe, said)
    if not found.values.size:
        # A damaged header can promise pixels that its file does not hold.
        raise UnreadableImage("a TIFF without pixels")
    found = images.masked(found)
    return replace(found, noticed=(*found.noticed, *parts_of(opened, series)))


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
    for other in opened.file.series:
        if other.keyframe.index == series.keyframe.index:
            if None in other.pages or _promised(opened.file) > _planes(series):
                noticed.append(ELSEWHERE)
        elif not other.keyframe.is_mask and OTHER_PARTS not in noticed:
            noticed.append(OTHER_PARTS)
    if series.keyframe.is_reduced:
        noticed.append(SMALLER)
    return tuple(noticed)


def _planes(series: TiffPageSeries) -> int:
    return math.prod(series.shape) // math.prod(series.keyframe.shape)


def _promised(file: TiffFile) -> int:
    """How many planes ImageJ says that a file holds; of a file that was cut tifffile takes one."""
    said = (file.imagej_metadata or {}).get("images", 0) if file.is_imagej else 0
    return said if isinstance(said, int) else 0
