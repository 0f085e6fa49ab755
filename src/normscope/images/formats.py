"""Which files are images, archives and arrays: by their names, and else by their first bytes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.wording import counted

if TYPE_CHECKING:
    from collections import Counter

MOST_KINDS = 5

SUFFIXES = (
    ".avif", ".bmp", ".dcm", ".dib", ".exr", ".gif", ".heic", ".heif", ".ico", ".j2k", ".jfif",
    ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf", ".jpg", ".jpx", ".jxl", ".nii", ".nii.gz", ".pbm",
    ".pcx", ".pgm", ".png", ".pnm", ".ppm", ".psd", ".sgi", ".tga", ".tif", ".tiff", ".webp",
)  # fmt: skip
"""Of image files."""

ARRAYS = (".npy",)
ARCHIVES = (".tar", ".zip")
PACKED_ARCHIVES = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
"""Those that can only be read in order, from their start."""

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
NPY_MAGIC = b"\x93NUMPY"
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
GZIP_MAGIC = b"\x1f\x8b"
JPEG_MAGIC = b"\xff\xd8"
EXR_MAGIC = b"v/1\x01"
HDR_MAGIC = (b"#?RADIANCE\n", b"#?RGBE\n")
JPEGXL_MAGIC = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
JPEG2000_MAGIC = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
HEAD = 352
"""Bytes that tell the format of a file whose name does not."""

_FIRST_BYTES = (
    JPEG_MAGIC + b"\xff", PNG_MAGIC, b"GIF87a", b"GIF89a", *TIFF_MAGIC,
    EXR_MAGIC, *HDR_MAGIC, *JPEGXL_MAGIC, *JPEG2000_MAGIC, b"8BPS\0\1",
)  # fmt: skip
_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1")
"""Of the ISO base media format (ISO/IEC 14496-12), the kinds that are still images."""


def is_image(head: bytes) -> bool:
    r"""Whether a file that starts so is an image that can be decoded.

    Args:
        head: Its first ``HEAD`` bytes.

    Returns:
        Whether they are those of a known format.

    Example:
        >>> is_image(b"P6\n640 480\n255\n"), is_image(b"Pears and plums")
        (True, False)
    """
    if head.startswith(_FIRST_BYTES) or re.match(rb"P[1-6]\s+(\d|#)", head):
        return True
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return True
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return True
    if head[4:8] == b"ftyp":
        return head[8:12] in _BRANDS
    return is_dicom(head) or is_nifti(head)


def is_dicom(head: bytes) -> bool:
    """Whether a file that starts so is of DICOM (PS3.10, section 7.1).

    Args:
        head: Its first 132 bytes or more.

    Returns:
        Whether the magic word follows the preamble.
    """
    return head[128:132] == b"DICM"


def is_nifti(head: bytes) -> bool:
    """Whether a file that starts so is a NIfTI volume in one file.

    Args:
        head: Its first 348 bytes or more.

    Returns:
        Whether it has the magic word of version 1 or 2.
    """
    return head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0"


def kind_of_name(name: str) -> str:
    """What files are grouped by that are no images: the suffix, or the name where it has none.

    Args:
        name: A file's name or path.

    Returns:
        Such as ``.txt``.
    """
    path = Path(name)
    return path.suffix.lower() or path.name


def passed_over(passed: Counter[str]) -> str:
    """What is said of files that are not images.

    Args:
        passed: Their number by kind.

    Returns:
        A sentence, or nothing without such files.

    Example:
        >>> from collections import Counter
        >>> passed_over(Counter({".txt": 40, "README": 1}))
        'Passed over 41 files that are not images: .txt (40), README (1).'
    """
    if not passed:
        return ""
    kinds = ", ".join(f"{kind} ({number:,})" for kind, number in passed.most_common(MOST_KINDS))
    others = len(passed) - MOST_KINDS
    more = f" and {counted(others, 'other kind')}" if others > 0 else ""
    total = passed.total()
    what = "is not an image" if total == 1 else "are not images"
    return f"Passed over {counted(total, 'file')} that {what}: {kinds}{more}."
