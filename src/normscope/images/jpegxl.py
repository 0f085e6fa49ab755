"""JPEG XL by imagecodecs, bounded in size by its header before it is decoded (ISO/IEC 18181-1)."""

from __future__ import annotations

import numpy as np

from normscope.errors import MissingExtra
from normscope.images.formats import JPEGXL_MAGIC
from normscope.images.pixels import Pixels, UnreadableImage, check_size, split_alpha
from normscope.wording import first_line

CODESTREAM, CONTAINER = JPEGXL_MAGIC
FIRST_BOX = len(CONTAINER)
RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Of width to height, which the header has numbers for."""


def jpegxl_size(data: bytes) -> tuple[int, int]:
    """Height and width that a file's header promises.

    Args:
        data: The file's bytes, a codestream or boxes with one in them.

    Returns:
        In pixels.

    Raises:
        UnreadableImage: If there is no codestream.

    Example:
        >>> jpegxl_size(bytes.fromhex("ff0a 0100"))
        (8, 8)
    """
    start = data.find(CODESTREAM, FIRST_BOX) if data.startswith(CONTAINER) else 0
    if start < 0 or data[start : start + 2] != CODESTREAM:
        raise UnreadableImage("a JPEG XL without a codestream, so it is truncated")
    bits = _Bits(data[start + 2 : start + 18])
    by_eight = bits.take(1)
    height = _length(bits, by_eight)
    ratio = bits.take(3)
    if ratio:
        numerator, denominator = RATIOS[ratio - 1]
        return height, height * numerator // denominator
    return height, _length(bits, by_eight)


def decode_jpegxl(data: bytes) -> Pixels:
    """Decode a JPEG XL; of an animation the first frame.

    Args:
        data: The file's bytes.

    Returns:
        One image, of the depth that it has.

    Raises:
        MissingExtra: If imagecodecs is not installed.
        UnreadableImage: If it is truncated, corrupt or too large.
    """
    try:
        import imagecodecs
    except ImportError:
        raise MissingExtra("imagecodecs", "JPEG XL images") from None
    height, width = jpegxl_size(data)
    check_size(height, width)
    try:
        pixels = np.asarray(imagecodecs.jpegxl_decode(data, index=0))
    except Exception as error:  # noqa: BLE001 - of a class of its own
        raise UnreadableImage(f"not a readable JPEG XL: {first_line(error)}") from None
    pixels = pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1)
    # Two channels are grey with alpha, four colour with alpha.
    return split_alpha(pixels) if len(pixels) in {2, 4} else Pixels(pixels[None])


def _length(bits: _Bits, by_eight: int) -> int:
    if by_eight:
        return (bits.take(5) + 1) * 8
    return bits.take((9, 13, 18, 30)[bits.take(2)]) + 1


class _Bits:
    """Bits from the lowest of each byte upwards."""

    def __init__(self, data: bytes) -> None:
        self._number = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        taken = self._number & ((1 << count) - 1)
        self._number >>= count
        return taken
