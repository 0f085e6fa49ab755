"""The images in a tar archive, found by its headers and read where they lie."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError, WorkFailed
from normscope.images.decode import SUFFIXES
from normscope.images.encoded import LINK, EncodedImage

if TYPE_CHECKING:
    from collections.abc import Iterator


def tar_members(archive: str) -> Iterator[EncodedImage]:
    """The images of an uncompressed tar archive, in its order, one header at a time.

    Nothing is unpacked to disk, so a member's name can lead nowhere. WebDataset shards are such
    archives; their labels and captions are passed over.

    Args:
        archive: Path of the file.

    Yields:
        The regular members whose names end like an image's, and links among them.

    Raises:
        NormscopeError: If the file is no tar archive or cannot be read.
        WorkFailed: If the archive is cut in the middle.
    """
    try:
        with open(archive, "rb") as raw:  # noqa: PTH123
            size = raw.seek(0, 2)
            raw.seek(0)
            with tarfile.open(fileobj=raw, mode="r:") as tar:
                for info in tar:
                    # tarfile keeps every header it has seen; any number of them must fit.
                    tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue]
                    if info.offset_data + info.size > size:
                        raise WorkFailed(_cut(archive, info.name))
                    name = info.name.rsplit("/", 1)[-1]
                    if name[:1] == "." or not name.lower().endswith(SUFFIXES):
                        continue
                    if info.isreg():
                        yield EncodedImage(info.name, archive, info.offset_data, info.size)
                    elif info.islnk() or info.issym():
                        yield EncodedImage(info.name, archive, 0, LINK)
                if size < tar.offset + tarfile.BLOCKSIZE:
                    raise WorkFailed(_cut(archive, "the end marker"))
    except OSError as error:
        raise NormscopeError(
            f"{archive} must be readable, got: {error.strerror or error}. Check its permissions."
        ) from None
    except tarfile.ReadError as error:
        if "truncated" in str(error) or "unexpected end" in str(error):
            raise WorkFailed(_cut(archive, "a header or an image")) from None
        raise NormscopeError(
            f"{archive} must be an uncompressed tar archive, got: {error}. "
            "Unpack it, or make the archive again."
        ) from None


def _cut(archive: str, where: str) -> str:
    return (
        f"{archive} must be whole, got an archive that is cut in the middle of {where}. "
        "Copy it again."
    )
