"""An encoded image, unread: a file, or a part of an archive."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from normscope.images.formats import HEAD
from normscope.images.pixels import UnreadableImage
from normscope.images.remote import open_remote, read_remote, remote_stamp
from normscope.images.unpacking import HEADER_BYTES, Packing, unpack
from normscope.images.urls import is_remote
from normscope.regular_files import open_regular

if TYPE_CHECKING:
    from pathlib import Path

MAX_FILE_BYTES = 2**31
"""A larger file is no single image that could be decoded within its bounds."""

LINK = -1
"""In place of a size: a member of an archive that has no bytes of its own."""

ENCRYPTED = -2
"""In place of a size: a member of an archive whose bytes need a password."""

NO_LABEL = -1


@dataclass(frozen=True)
class EncodedImage:
    """One encoded image.

    Attributes:
        name: Its file's path, or its own inside its archive.
        archive: The archive that it lies in, or None.
        offset: Where its bytes, or a zip's header of them, start in the archive; of an archive
            that is read in order, how far it has been read.
        size: How many there are in the archive, or ``LINK`` or ``ENCRYPTED``.
        label: Its class's index, or ``NO_LABEL``.
        packing: How a zip archive holds it, or None.
        data: Its bytes, where it is of an archive that can only be read in order.
    """

    name: str
    archive: str | None = None
    offset: int = 0
    size: int = 0
    label: int = NO_LABEL
    packing: Packing | None = None
    data: bytes | None = field(default=None, repr=False)

    @property
    def path(self) -> str:
        """What it is called: its file, or its name behind its archive's."""
        return self.name if self.archive is None else f"{self.archive}/{self.name}"

    @property
    def file(self) -> str:
        """The file that its bytes lie in."""
        return self.archive or self.name

    @property
    def parts(self) -> tuple[EncodedImage, ...]:
        """The files or members that it is made of: itself."""
        return (self,)

    def bytes_(self) -> int:
        """How many bytes it has.

        Returns:
            Their number; 0 where there is no such file.
        """
        if self.archive is not None:
            return max(0, self.size)
        return size_of(self.file)

    def head(self) -> bytes:
        """Its first bytes.

        Returns:
            At most ``HEAD``; none where it cannot be read.
        """
        if self.size == LINK:
            return b""
        try:
            with open_regular(self.file) as file:
                file.seek(self.offset)
                return file.read(HEAD if self.archive is None else min(HEAD, self.size))
        except OSError:
            return b""

    def read(self) -> bytes:
        """Its bytes.

        Returns:
            All of them.

        Raises:
            UnreadableImage: If they are not there, or are too many for one image.
        """
        if self.size == LINK:
            raise UnreadableImage("a link inside an archive")
        if self.size == ENCRYPTED:
            raise UnreadableImage("encrypted inside its archive")
        if self.data is not None:
            if self.size > len(self.data):
                raise UnreadableImage(f"a packed file of {self.size} bytes is too large")
            return self.data
        if is_remote(self.file):
            return self._read_remote()
        try:
            with open_regular(self.file) as file:
                size = os.fstat(file.fileno()).st_size if self.archive is None else self.size
                if size > MAX_FILE_BYTES:
                    raise UnreadableImage(f"a file of {size} bytes is too large")
                file.seek(self.offset)
                return file.read(size) if self.packing is None else self._unpacked(file)
        except OSError as error:
            raise UnreadableImage(error.strerror or str(error)) from None

    def _read_remote(self) -> bytes:
        if self.size > MAX_FILE_BYTES:
            raise UnreadableImage(f"a file of {self.size} bytes is too large")
        if self.archive is None:
            return read_remote(self.file)
        if self.packing is None:
            return read_remote(self.file, self.offset, self.offset + self.size)
        # The names that lie between are of at most these lengths.
        end = self.offset + HEADER_BYTES + 2 * 2**16 + self.size
        return self._unpacked(io.BytesIO(read_remote(self.file, self.offset, end)))

    def _unpacked(self, file: BinaryIO) -> bytes:
        assert self.packing is not None
        return unpack(file, self.size, self.packing)


def open_binary(path: str) -> BinaryIO:
    """Open a file to read parts of it.

    Args:
        path: Its path or URL.

    Returns:
        The open file, buffered.

    Raises:
        OSError: If it cannot be read, or is no regular file.
    """
    return open_remote(path) if is_remote(path) else io.BufferedReader(open_regular(path))


def stamp(file: str) -> tuple[int, int | str] | None:
    """What tells that a file has changed.

    Args:
        file: Its path.

    Returns:
        Its size in bytes and the time of its last change in nanoseconds, or None without a file.
    """
    if is_remote(file):
        return remote_stamp(file)
    try:
        status = os.stat(file)  # noqa: PTH116
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def size_of(file: str) -> int:
    """How many bytes a file has; 0 where there is none."""
    found = stamp(file)
    return 0 if found is None else found[0]


def not_readable(path: str | Path, error: OSError) -> str:
    """What is said of a file or folder that the system does not let us read."""
    return f"{path} must be readable, got: {error.strerror or error}. Check its permissions."
