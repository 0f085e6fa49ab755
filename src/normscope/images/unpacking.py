"""The bytes of one member of a zip archive, bounded by what its directory promises."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from typing import BinaryIO, NamedTuple

from normscope.images.pixels import MAX_BYTES, UnreadableImage

SIGNATURE = b"PK\3\4"
HEADER_BYTES = 30
NAME_LENGTHS = struct.Struct("<26xHH")
"""At the end of a local header: the lengths of the name and the extra field that follow it."""

DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, struct.error,
    RuntimeError, OverflowError,
)  # fmt: skip
"""What zipfile raises at archives that are damaged, or use what it does not know."""


class Packing(NamedTuple):
    """How a member of a zip archive is packed.

    Attributes:
        method: The number of the method (APPNOTE 6.3.10, section 4.4.5).
        bytes_: How many bytes it unpacks to.
        checksum: Their CRC-32.
    """

    method: int
    bytes_: int
    checksum: int


def unpack(file: BinaryIO, size: int, packing: Packing, most: int = MAX_BYTES) -> bytes:
    """Read and unpack a member whose local header comes next.

    Args:
        file: Open at the header.
        size: How many packed bytes there are.
        packing: How they are packed.
        most: How many unpacked bytes are wanted at most.

    Returns:
        The first ``most`` bytes; with all of them, their checksum has been compared.

    Raises:
        UnreadableImage: If there is no such member, or it is damaged, or too large.
    """
    header = file.read(HEADER_BYTES)
    if header[:4] != SIGNATURE or len(header) < HEADER_BYTES:
        raise UnreadableImage("not where the archive's directory says")
    if packing.bytes_ > MAX_BYTES:
        raise UnreadableImage(f"a member of {packing.bytes_} bytes is too large")
    file.seek(sum(NAME_LENGTHS.unpack(header)), 1)
    info = zipfile.ZipInfo("member")
    info.compress_type, info.file_size, info.CRC = packing
    info.compress_size = size
    try:
        with zipfile.ZipExtFile(file, "r", info) as member:
            return member.read(min(most, packing.bytes_))
    except (*DAMAGE, OSError) as error:
        reason = "it ends too early" if isinstance(error, EOFError) else str(error)
        raise UnreadableImage(f"a damaged member of the archive: {reason}") from None
