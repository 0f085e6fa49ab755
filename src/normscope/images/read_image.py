"""One image from its file or archive, at once or, where it is too large for that, by window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normscope.images.decode import decode
from normscope.images.formats import TIFF_MAGIC, is_dicom

if TYPE_CHECKING:
    from normscope.images.encoded import EncodedImage
    from normscope.images.pixels import Pixels
    from normscope.images.windows import Windows

TIFFS = (".tif", ".tiff", ".btf", ".tf8", ".svs", ".ndpi", ".scn", ".qptiff")
"""Names of files that may be large: TIFFs, BigTIFFs and slides."""


def read_image(image: EncodedImage) -> Pixels | Windows:
    """Read and decode one image.

    Args:
        image: The image, unread.

    Returns:
        Its pixels; of a large TIFF its windows.

    Raises:
        UnreadableImage: As of ``decode``.
    """
    if image.name.lower().endswith(TIFFS):
        head = image.head()
        if head[:4] in TIFF_MAGIC and not is_dicom(head):
            from normscope.images.tiff_windows import read_tiff

            return read_tiff(image)
    return decode(image.read())
