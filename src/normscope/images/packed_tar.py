"""The images in a compressed tar archive, which can only be read once and in order."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from contextlib import nullcontext
from typing import TYPE_CHECKING, BinaryIO

from normscope.errors import NormscopeError
from normscope.images.archive import cut, has_image_name, is_hidden
from normscope.images.encoded import LINK, EncodedImage, not_readable, open_binary
from normscope.images.formats import GZIP_MAGIC, HEAD, is_image, kind_of_name
from normscope.images.urls import is_remote

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

MAX_HELD_BYTES = 2**28
"""Of one image: it waits in memory until a worker takes it."""

FREE_BYTES, MOST_TIMES = 2**30, 1100
"""An archive may unpack to so many bytes, or so many times its own: gzip does at most 1,032."""

_OPENERS = {GZIP_MAGIC: gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}
"""By the first two bytes, because names are wrong at times."""


def packed_tar_members(archive: str, passed: Counter[str] | None = None) -> Iterator[EncodedImage]:
    """The images of a tar archive that gzip, bzip2 or xz has packed, with their bytes.

    Nothing is unpacked to disk, and one member at a time is in memory.

    Args:
        archive: Path of the file.
        passed: Counts the members that are no images, by suffix.

    Yields:
        As ``tar_members``; each offset is how far the archive has been read.

    Raises:
        NormscopeError: If the file is no such archive, cannot be read, is a bomb, cut or damaged.
    """
    try:
        with open_binary(archive) as raw:
            opener = _OPENERS.get(raw.read(2))
            raw.seek(0)
            if opener is None and is_remote(archive):
                opener = nullcontext
            if opener is None:
                raise NormscopeError(_no_such(archive, "a file of another kind"))
            with opener(raw) as file:
                yield from _members(archive, _Bounded(archive, raw, file), passed)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, ValueError) as error:
        text = str(error)
        if isinstance(error, EOFError) or "truncated" in text or "unexpected end" in text:
            raise NormscopeError(cut(archive, "its packed bytes")) from None
        if isinstance(error, OSError) and error.strerror:
            raise NormscopeError(not_readable(archive, error)) from None
        if isinstance(error, tarfile.ReadError):
            raise NormscopeError(_no_such(archive, text)) from None
        raise NormscopeError(
            f"{archive} must be whole, got damaged bytes: {text}. Copy it again."
        ) from None


def _members(archive: str, file: _Bounded, passed: Counter[str] | None) -> Iterator[EncodedImage]:
    with tarfile.open(fileobj=file, mode="r|") as tar:
        for info in tar:
            # tarfile keeps every header it has seen; any number of them must fit.
            tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue]
            if is_hidden(info):
                continue
            named = has_image_name(info)
            if named and not info.isreg():
                yield EncodedImage(info.name, archive, file.packed, LINK)
                continue
            member = tar.extractfile(info) if info.isreg() else None
            head = b"" if member is None or named else member.read(HEAD)
            if member is not None and (named or is_image(head)):
                # Too many bytes are not held: the decoder is told the size, and refuses it.
                data = head + member.read(min(info.size, MAX_HELD_BYTES + 1) - len(head))
                yield EncodedImage(info.name, archive, file.packed, info.size, data=data)
            elif passed is not None:
                passed[kind_of_name(info.name)] += 1
    while file.read(tarfile.RECORDSIZE):
        pass  # to the checksum at the end
    if not file.has_ended:
        raise NormscopeError(cut(archive, "the end marker"))


def _no_such(archive: str, met: str) -> str:
    return (
        f"{archive} must be a tar archive packed by gzip, bzip2 or xz, got: {met}. "
        "Unpack it, or make the archive again."
    )


class _Bounded(io.RawIOBase):
    # What a packed file unpacks to, until that is too much for its size.
    def __init__(self, archive: str, raw: BinaryIO, file) -> None:
        self.archive, self.raw, self.file = archive, raw, file
        self.unpacked = 0
        self.has_ended = False

    @property
    def packed(self) -> int:
        """How many packed bytes have been read."""
        return self.raw.tell()

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(size)
        self.unpacked += len(data)
        if data:
            self.has_ended = not any(data[-tarfile.BLOCKSIZE :])
        if self.unpacked > FREE_BYTES and self.unpacked > MOST_TIMES * self.packed:
            raise NormscopeError(
                f"{self.archive} must unpack to at most {MOST_TIMES} times its size, got more "
                f"from its first {self.packed} bytes, as of a bomb. Unpack it yourself."
            )
        return data
