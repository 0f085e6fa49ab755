"""The pages of a TIFF that are images, and the masks that stand behind them.

A mask is a page of its own with the bit 4 in NewSubfileType (TIFF 6.0, 1992, section 8), as large
as the image before it, and 0 where that holds nothing; GDAL writes it where it is told
GDAL_TIFF_INTERNAL_MASK.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.images.pixels import UnreadableImage
from normscope.images.tiff_jpeg import tell_colours

if TYPE_CHECKING:
    from collections.abc import Callable

    from tifffile import TiffFile, TiffPage, TiffPageSeries

    from normscope.images.pixels import Pixels

MASKED = "with a mask in their file: the pixels outside it do not count"

MOST_HELD_PIXELS = 2**27
"""A larger mask is read in the parts that it is stored in."""


@dataclass(frozen=True)
class ImagePages:
    """The images of a series of a TIFF.

    Attributes:
        series: Them, without masks.
        masks: The mask of each of its pages, or None.
    """

    series: TiffPageSeries
    masks: tuple[PageMask | None, ...]

    @property
    def groups(self) -> np.ndarray:
        """Which pages together have all channels of some rows: their indices, a row for each.

        As in ``tiff.pixels_of``, samples are channels, else the axis C is, and all other axes are
        more rows.
        """
        series = self.series
        leading = series.axes[: len(series.axes) - len(series.keyframe.shape)]
        numbers = np.arange(len(series.pages)).reshape(series.shape[: len(leading)])
        if "S" in series.axes or "C" not in leading:
            return numbers.reshape(-1, 1)
        channel = leading.index("C")
        return np.moveaxis(numbers, channel, -1).reshape(-1, numbers.shape[channel])

    def masked(self, pixels: Pixels) -> Pixels:
        """The images with what their masks leave out.

        Args:
            pixels: All of the series.

        Returns:
            The same pixels, of which fewer may count.
        """
        if not any(self.masks):
            return pixels
        shape = self.series.keyframe.imagelength, self.series.keyframe.imagewidth
        masks = [self.masks[group[0]] for group in self.groups.tolist()]
        rows = [np.ones(shape, bool) if mask is None else mask.whole for mask in masks]
        return without_masked(pixels, np.concatenate(rows))


class PageMask:
    """The mask of a page.

    Attributes:
        page: That of the mask.
    """

    def __init__(self, page: TiffPage) -> None:
        self.page = page

    @cached_property
    def whole(self) -> np.ndarray:
        """All of it, True where pixels count."""
        return np.asarray(self.page.asarray()) != 0

    def window(
        self, place: tuple[slice, slice], index: int | None, read: Callable[[Any, int], np.ndarray]
    ) -> np.ndarray:
        """A part of it.

        Args:
            place: Rows and columns.
            index: Of the tile or strip of the image that they are, or None.
            read: Reads a tile or strip of a page.

        Returns:
            True where pixels count.

        Raises:
            UnreadableImage: If it is too large to hold, and stored in other parts than the image.
        """
        if self.page.imagelength * self.page.imagewidth <= MOST_HELD_PIXELS:
            return self.whole[place]
        part = np.empty(0) if index is None else read(self.page, index)[..., 0]
        if part.shape != tuple(side.stop - side.start for side in place):
            raise UnreadableImage("its mask is large and stored in other parts than the image")
        return part != 0


def image_pages(file: TiffFile) -> ImagePages:
    """The images of the first series, or of the first that is no smaller copy of another's.

    Args:
        file: A TIFF.

    Returns:
        The images, and their masks.
    """
    series = next((s for s in file.series if not s.keyframe.is_reduced), file.series[0])
    if None in series.pages:
        series = _present(series, file)
    for page in {id(page.keyframe): page.keyframe for page in series.pages if page}.values():
        tell_colours(page)
    masks_elsewhere = any(other.keyframe.is_mask for other in file.series if other is not series)
    if not masks_elsewhere and not (len(file.pages) > 1 and _page(file, 1).is_mask):
        return ImagePages(series, (None,) * len(series.pages))
    pages = [_page(file, index) for index in range(len(file.pages))]
    behind: dict[int, PageMask] = {}
    latest: dict[tuple[int, int], int] = {}
    for page in pages:
        size = (page.imagelength, page.imagewidth)
        if not page.is_mask:
            latest[size] = page.index
        elif size in latest:
            behind.setdefault(latest[size], PageMask(page))
    kept = [page for page in series.pages if page is not None and not pages[page.index].is_mask]
    if len(kept) < len(series.pages) and kept:
        series = _series_of([pages[page.index] for page in kept], file)
    return ImagePages(series, tuple(behind.get(page.index) for page in kept))


def without_masked(pixels: Pixels, mask: np.ndarray) -> Pixels:
    """Pixels of which those outside a mask do not count.

    Args:
        pixels: One image.
        mask: bool, of its height and width.

    Returns:
        The image; as it is where the mask leaves nothing out.
    """
    if mask.all():
        return pixels
    valid = mask[None, None] if pixels.valid is None else pixels.valid & mask
    return replace(pixels, valid=valid, noticed=(*pixels.noticed, MASKED))


def _present(series: TiffPageSeries, file: TiffFile) -> TiffPageSeries:
    """The pages that its own file holds of an image in several files, as OME-TIFF has it."""
    pages: list[Any] = [page for page in series.pages if page is not None]
    lengths = series.shape[: len(series.shape) - len(series.keyframe.shape)]
    if math.prod(lengths) != len(series.pages):
        return _series_of(pages, file)
    there = np.array([page is not None for page in series.pages]).reshape(lengths)
    kept = [np.unique(places) for places in np.nonzero(there)]
    if not there[np.ix_(*kept)].all():
        return _series_of(pages, file)
    return _series_of(pages, file, tuple(map(len, kept)), series.axes[: len(lengths)])


def _series_of(
    pages: list[Any], file: TiffFile, lengths: tuple[int, ...] = (), axes: str = ""
) -> TiffPageSeries:
    from tifffile import TiffPageSeries

    first = pages[0].keyframe
    if len(pages) > 1 and not lengths:
        lengths, axes = (len(pages),), "I"
    return TiffPageSeries(
        pages, (*lengths, *first.shape), first.dtype, axes + first.axes, parent=file
    )


def _page(file: TiffFile, index: int) -> Any:
    # A frame has no tags of its own.
    return file.pages.get(index, aspage=True, cache=False, validate=False)
