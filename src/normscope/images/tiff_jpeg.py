"""JPEG inside TIFF, whose header says which colours it holds and not the JPEG itself."""

from __future__ import annotations

from typing import Any

from normscope.images.tiff_pixels import JPEGS, MINISBLACK, RGB

SEPARATE = 2
"""PlanarConfiguration: each channel in a plane of its own."""


def tell_colours(page: Any) -> None:
    """Have tifffile decode the JPEGs of a page into the channels that its header names.

    Without a marker of its own a JPEG of three channels is taken for YCbCr, and tifffile 2026.3.3
    only says otherwise of RGB; planes of RGB it takes for three channels each.

    Args:
        page: A ``TiffPage``, of which nothing is decoded yet.
    """
    if page.compression not in JPEGS:
        return
    if page.planarconfig == SEPARATE:
        if page.photometric == RGB:
            page.photometric = MINISBLACK
    elif page.samplesperpixel == 3 and page.photometric == MINISBLACK:
        page.photometric, page.extrasamples = RGB, ()
