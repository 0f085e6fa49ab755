"""Images of light as floats: OpenEXR by its own library, Radiance HDR by OpenCV."""

from __future__ import annotations

import io
import re

import numpy as np

from normscope.errors import MissingExtra
from normscope.images.pixels import MAX_BYTES, Pixels, UnreadableImage, check_size, split_alpha
from normscope.wording import first_line

COLOURS = ("R", "G", "B")
FIRST_PART = "with several parts: the first counts"


def decode_exr(data: bytes) -> Pixels:
    """Decode the first part of an OpenEXR file.

    Red, green and blue come first, other channels in the order of their names; pixels whose alpha
    is 0 do not count.

    Args:
        data: The file's bytes.

    Returns:
        One image.

    Raises:
        MissingExtra: If OpenEXR is not installed.
        UnreadableImage: If it is truncated, corrupt, too large, or has no plain channels.
    """
    try:
        import OpenEXR
    except ImportError:
        raise MissingExtra("OpenEXR", "OpenEXR images") from None
    try:
        header = OpenEXR.File(io.BytesIO(data), header_only=True)
        low, high = header.header()["dataWindow"]
        width, height = (int(side) + 1 for side in high.astype(np.int64) - low)
        check_size(height, width)
        if height * width * 4 * len(header.header()["channels"]) > MAX_BYTES:
            raise UnreadableImage(f"{width} x {height} pixels of floats is too large")
        file = OpenEXR.File(io.BytesIO(data), separate_channels=True)
        planes = {name: channel.pixels for name, channel in file.channels().items()}
        noticed = (FIRST_PART,) if len(file.parts) > 1 else ()
    except UnreadableImage:
        raise
    except Exception as error:  # noqa: BLE001 - of no class of its own
        raise UnreadableImage(f"not a readable OpenEXR image: {first_line(error)}") from None
    if any(plane.shape != (height, width) or plane.dtype.kind == "O" for plane in planes.values()):
        raise UnreadableImage("an OpenEXR image whose channels are deep or subsampled")
    return _of_planes(planes, noticed)


def _of_planes(planes: dict[str, np.ndarray], noticed: tuple[str, ...]) -> Pixels:
    coloured = all(name in planes for name in COLOURS)
    names = [*(COLOURS if coloured else ())]
    names += sorted(name for name in planes if name not in {*names, "A"})
    if not names:
        raise UnreadableImage("an OpenEXR image of alpha alone")
    stacked = np.stack([planes[name] for name in [*names, *(["A"] if "A" in planes else [])]])
    pixels = split_alpha(stacked) if "A" in planes else Pixels(stacked[None])
    usual = tuple(names) in {COLOURS, ("Y",)}
    said = () if usual else tuple(names)
    return Pixels(
        pixels.values, pixels.valid, pixels.alpha, (*pixels.noticed, *noticed), names=said
    )


def decode_hdr(data: bytes) -> Pixels:
    """Decode a Radiance picture.

    Args:
        data: The file's bytes.

    Returns:
        One image, float32 with three channels.

    Raises:
        UnreadableImage: If it is truncated, corrupt, too large, or turned.
    """
    import cv2

    found = re.search(rb"\n\n-Y (\d{1,9}) \+X (\d{1,9})\n", data[: 2**16])
    if found is None:
        raise UnreadableImage("a Radiance picture without a size, or with turned rows")
    height, width = map(int, found.groups())
    check_size(height, width)
    if height * width * 12 > MAX_BYTES:
        raise UnreadableImage(f"{width} x {height} pixels of floats is too large")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise UnreadableImage("a Radiance picture that is truncated or corrupt")
    return Pixels(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None, ::-1]))
