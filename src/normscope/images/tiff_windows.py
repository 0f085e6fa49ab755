"""Large TIFFs by window: tile by tile, strip by strip, or some rows at a time."""

from __future__ import annotations

import io
import math
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.images.pixels import MAX_BYTES, Pixels, UnreadableImage
from normscope.images.tiff import (
    bytes_of,
    check_parts,
    decode_tiff,
    opened_tiff,
    parts_of,
    whole_tiff,
)
from normscope.images.tiff_jpeg import SEPARATE
from normscope.images.tiff_masks import image_pages, without_masked
from normscope.images.tiff_metadata import channel_metadata
from normscope.images.tiff_pixels import JPEGS, pixels_of
from normscope.images.windows import Windows
from normscope.regular_files import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tifffile import TiffFile, TiffPage

    from normscope.images.encoded import EncodedImage
    from normscope.images.tiff_chain import OpenTiff
    from normscope.images.tiff_masks import ImagePages

    Stretch = tuple[int, int, int | None, np.ndarray]

WHOLE_BYTES = 2**26
"""Larger images are read by window: decoding one at once takes three times its own size."""

WINDOW_BYTES = 2**23
"""So many bytes of rows are read at a time where a TIFF is not compressed."""

LARGEST_WINDOW_BYTES = 2**27
"""Of tiles and strips, which can only be unpacked whole."""


def read_tiff(image: EncodedImage) -> Pixels | Windows:
    """Read a TIFF, the series that ``decode_tiff`` names, at once or by window.

    Args:
        image: A TIFF, unread.

    Returns:
        The image where it is small; else its windows, whose pixels are the same.

    Raises:
        UnreadableImage: If it is no TIFF, is truncated, or cannot be read by window and is too
            large for anything else.
    """
    size = image.bytes_()
    data = image.read() if size <= WHOLE_BYTES else None
    with _opened(image, data) as opened:
        images = image_pages(opened.file)
        series = images.series
        if data is not None and bytes_of(series) <= WHOLE_BYTES:
            return whole_tiff(opened)
        reason = _why_not(images)
        if reason is None:
            return Windows(lambda: _windows(image, data), lambda: _whole(image))
        if bytes_of(series) > MAX_BYTES:
            raise UnreadableImage(f"{bytes_of(series)} bytes of pixels is too large: {reason}")
    return _whole(image)


def _whole(image: EncodedImage) -> Pixels:
    with _opened(image, None) as opened:
        bytes_ = bytes_of(image_pages(opened.file).series)
    if bytes_ > MAX_BYTES:
        raise UnreadableImage(
            f"{bytes_} bytes of pixels is too large to be held at once, which --resize and --crop "
            "need: leave them out"
        )
    return decode_tiff(image.read())


@contextmanager
def _opened(image: EncodedImage, data: bytes | None) -> Iterator[OpenTiff]:
    try:
        source = _Part(image) if data is None else io.BytesIO(data)
    except OSError as error:
        raise UnreadableImage(error.strerror or str(error)) from None
    # tifffile closes only what it opened itself.
    with source, opened_tiff(source) as opened:
        yield opened


class _Part(io.BufferedReader):
    """The bytes of an image where they lie, in a file or in an archive."""

    def __init__(self, image: EncodedImage) -> None:
        super().__init__(open_regular(image.file))
        self._start, self._path = image.offset, image.path
        self.seek(0)

    @property
    def name(self) -> str:
        """What tifffile calls it."""
        return self._path

    def fileno(self) -> int:
        """None: a file that tifffile knows would have it open the others of its image."""
        raise io.UnsupportedOperation("fileno")

    def seek(self, offset: int, whence: int = 0) -> int:
        return super().seek(offset + self._start * (whence == 0), whence) - self._start

    def tell(self) -> int:
        return super().tell() - self._start


def _why_not(images: ImagePages) -> str | None:
    """Why images cannot be read by window, if so."""
    series = images.series
    page = series.keyframe
    leading = series.shape[: len(series.shape) - len(page.shape)]
    whole = all(p is not None and _shape(p) == page.shape for p in series.pages)
    if not whole or math.prod(leading) != len(series.pages) or page.shaped[1] != 1:
        return "its pages are no plain images"
    if _is_plain(series.pages):
        return None
    largest = math.prod(page.chunks) * np.dtype(series.dtype).itemsize
    channels = len(images.groups[0])
    if page.planarconfig == SEPARATE:
        channels = page.shaped[0]
    if largest * channels > LARGEST_WINDOW_BYTES:
        return f"it is compressed in parts of {largest * channels} bytes"
    return None


def _shape(page: Any) -> tuple[int, ...]:
    return page.keyframe.shape


def _is_plain(pages: Sequence[Any]) -> bool:
    return all(page.keyframe.is_final and page.is_contiguous for page in pages)


def _windows(image: EncodedImage, data: bytes | None) -> Iterator[Pixels]:
    with _opened(image, data) as opened:
        file = opened.file
        images = image_pages(file)
        series = images.series
        check_parts(file, series)
        noticed, said = parts_of(opened, series), channel_metadata(file, series.keyframe)
        for group in images.groups:
            pages: list[Any] = [series.pages[index] for index in group]
            mask = images.masks[group[0]]
            read = _rows if _is_plain(pages) else _segments
            for top, left, index, stretch in read(file, pages):
                found = pixels_of(stretch, "CYX", series.keyframe, said)
                if mask is not None:
                    height, width = stretch.shape[1:]
                    place = slice(top, top + height), slice(left, left + width)
                    part = mask.window(place, index, lambda page, at: _segment(file, page, at)[2])
                    found = without_masked(found, part)
                yield replace(found, noticed=(*found.noticed, *noticed))
                noticed = ()


def _rows(file: TiffFile, pages: list[TiffPage]) -> Iterator[Stretch]:
    """Rows of pages that are not compressed."""
    keyframe = pages[0].keyframe
    planes, _, length, width, samples = keyframe.shaped
    dtype = np.dtype(keyframe.dtype).newbyteorder(file.byteorder)
    row = width * samples * dtype.itemsize
    at_once = max(1, WINDOW_BYTES // (row * planes * len(pages)))
    for first in range(0, length, at_once):
        count = min(at_once, length - first)
        stretch = []
        for page in pages:
            for plane in range(planes):
                file.filehandle.seek(page.dataoffsets[0] + (plane * length + first) * row)
                data = file.filehandle.read(count * row)
                pixels = np.frombuffer(data, dtype).reshape(count, width, samples)
                stretch.append(pixels.transpose(2, 0, 1))
        yield first, 0, None, np.concatenate(stretch)


def _segments(file: TiffFile, pages: list[TiffPage]) -> Iterator[Stretch]:
    """Tiles or strips of pages."""
    keyframe = pages[0].keyframe
    planes = keyframe.shaped[0]
    each = math.prod(keyframe.chunked) // planes
    for index in range(each):
        parts = [
            _segment(file, page, plane * each + index) for page in pages for plane in range(planes)
        ]
        top, left, _ = parts[0]
        pixels = np.concatenate([part.transpose(2, 0, 1) for _, _, part in parts])
        yield top, left, index, pixels


def _segment(file: TiffFile, page: TiffPage, index: int) -> tuple[int, int, np.ndarray]:
    """One tile or strip, shape ``(h, w, C)``, and the row and column where it starts."""
    keyframe = page.keyframe
    count = page.databytecounts[index]
    data = None
    if count:
        file.filehandle.seek(page.dataoffsets[index])
        data = file.filehandle.read(count)
    tables = {}
    if keyframe.compression in JPEGS:
        tables = {"jpegtables": page.jpegtables, "jpegheader": keyframe.jpegheader}
    pixels, (_, _, top, left, _), shape = keyframe.decode(data, index, _fullsize=False, **tables)
    height = min(shape[1], keyframe.imagelength - top)
    width = min(shape[2], keyframe.imagewidth - left)
    if pixels is None:
        # A part that was never written holds the value that stands for nothing.
        return top, left, np.full((height, width, shape[3]), keyframe.nodata, keyframe.dtype)
    return top, left, pixels[0, :height, :width]
