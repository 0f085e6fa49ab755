"""The images in a zip archive, found by its directory and read where they lie."""

from __future__ import annotations

import io
import stat
import zipfile
from typing import TYPE_CHECKING, BinaryIO

from normscope.errors import NormscopeError
from normscope.images.encoded import ENCRYPTED, LINK, EncodedImage, not_readable, open_binary
from normscope.images.formats import ARRAYS, HEAD, SUFFIXES, is_image, kind_of_name
from normscope.images.pixels import UnreadableImage
from normscope.images.unpacking import DAMAGE, HEADER_BYTES, Packing, unpack

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

ENCRYPTED_BIT = 1
"""Of a member's flags (APPNOTE 6.3.10, section 4.4.4)."""


def zip_members(archive: str, passed: Counter[str] | None = None) -> Iterator[EncodedImage]:
    """The images of a zip archive, in the order of its directory.

    Nothing is unpacked to disk, so a member's name can lead nowhere.

    Args:
        archive: Path of the file.
        passed: Counts the members that are no images, archives among them, by suffix.

    Yields:
        The members whose names end like an image's, encrypted ones and links among them; else
        those that start like an image.

    Raises:
        NormscopeError: If the file is no whole zip archive, or its members share bytes.
    """
    try:
        with open_binary(archive) as raw, zipfile.ZipFile(raw) as directory:
            members = directory.infolist()
            _check_apart(archive, members)
            for info in members:
                if info.is_dir() or info.filename.rsplit("/", 1)[-1][:1] == ".":
                    continue
                if _is_image(info, raw):
                    yield _encoded(archive, info)
                elif passed is not None:
                    passed[kind_of_name(info.filename)] += 1
    except OSError as error:
        raise NormscopeError(not_readable(archive, error)) from None
    except (*DAMAGE, ValueError) as error:
        raise NormscopeError(
            f"{archive} must be a whole zip archive, got: {error}. "
            "Copy it again, or make the archive again."
        ) from None


def _encoded(archive: str, info: zipfile.ZipInfo) -> EncodedImage:
    size = info.compress_size
    if info.flag_bits & ENCRYPTED_BIT:
        size = ENCRYPTED
    elif stat.S_ISLNK(info.external_attr >> 16):
        size = LINK
    packing = Packing(info.compress_type, info.file_size, info.CRC)
    return EncodedImage(info.filename, archive, info.header_offset, size, packing=packing)


def _is_image(info: zipfile.ZipInfo, raw: BinaryIO) -> bool:
    if info.filename.lower().endswith((*SUFFIXES, *ARRAYS)):
        return True
    if info.flag_bits & ENCRYPTED_BIT or not info.file_size:
        return False
    raw.seek(info.header_offset)
    # A few bytes of names and extra fields lie between, and packed bytes are fewer.
    part = raw.read(HEADER_BYTES + 2**12)
    packing = Packing(info.compress_type, info.file_size, info.CRC)
    try:
        return is_image(unpack(io.BytesIO(part), info.compress_size, packing, HEAD))
    except UnreadableImage:
        return False


def _check_apart(archive: str, members: list[zipfile.ZipInfo]) -> None:
    # A bomb's members share the same few bytes, so that each unpacks to as much again.
    end, name = 0, ""
    for info in sorted(members, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise NormscopeError(
                f"{archive} must hold each member's bytes once, got {info.filename} within "
                f"{name}. Make the archive again."
            )
        end, name = info.header_offset + info.compress_size, info.filename
