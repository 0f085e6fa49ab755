"""The size of a JPEG from its header, so that a large claim is refused before it is decoded."""

from __future__ import annotations

from normscope.images.decode import UnreadableImage

START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""ITU-T T.81 table B.1: all C0 to CF but the Huffman, extension and arithmetic tables."""

BARE = frozenset(range(0xD0, 0xD9)) | {0x01}
"""Markers without a length after them."""


def jpeg_shape(data: bytes) -> tuple[int, int, int]:
    """Components, height and width that a JPEG's first frame header promises.

    Args:
        data: The file's bytes, which start with FF D8.

    Returns:
        ``(C, H, W)``.

    Raises:
        UnreadableImage: If there is no frame header.

    Example:
        >>> jpeg_shape(bytes.fromhex("ffd8 ffc0 000b 08 0002 0003 01 0111 00"))
        (1, 2, 3)
    """
    at = 2
    while at + 9 < len(data):
        if data[at] != 0xFF:
            # Stray bytes between segments are skipped, as libjpeg does.
            at = data.find(b"\xff", at)
            if at < 0:
                break
            continue
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in START_OF_FRAME:
            height = int.from_bytes(data[at + 5 : at + 7])
            width = int.from_bytes(data[at + 7 : at + 9])
            return data[at + 9], height, width
        elif marker in BARE or marker == 0:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4])
    raise UnreadableImage("a JPEG without a frame header, so it is truncated")
