"""The images in a tar archive, found by its headers and read where they lie."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, BinaryIO

from normscope.errors import NormscopeError
from normscope.images.encoded import LINK, EncodedImage, not_readable, open_binary
from normscope.images.formats import ARRAYS, HEAD, SUFFIXES, is_image, kind_of_name

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator


def tar_members(archive: str, passed: Counter[str] | None = None) -> Iterator[EncodedImage]:
    """The images of an uncompressed tar archive, in its order, one header at a time.

    Nothing is unpacked to disk, so a member's name can lead nowhere. WebDataset shards are such
    archives; their labels and captions are passed over.

    Args:
        archive: Path of the file.
        passed: Counts the members that are no images, by suffix.

    Yields:
        The regular members whose names end like an image's, and links among them; else those that
        start like an image.

    Raises:
        NormscopeError: If the file is no whole tar archive or cannot be read.
    """
    try:
        with open_binary(archive) as raw:
            size = raw.seek(0, 2)
            raw.seek(0)
            with tarfile.open(fileobj=raw, mode="r:") as tar:
                for info in tar:
                    # tarfile keeps every header it has seen; any number of them must fit.
                    tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue]
                    if info.offset_data + info.size > size:
                        raise NormscopeError(cut(archive, info.name))
                    if is_hidden(info):
                        continue
                    if _is_image(info, raw):
                        place = (info.offset_data, info.size) if info.isreg() else (0, LINK)
                        yield EncodedImage(info.name, archive, *place)
                    elif passed is not None:
                        passed[kind_of_name(info.name)] += 1
                if size < tar.offset + tarfile.BLOCKSIZE:
                    raise NormscopeError(cut(archive, "the end marker"))
    except OSError as error:
        raise NormscopeError(not_readable(archive, error)) from None
    except tarfile.ReadError as error:
        if "truncated" in str(error) or "unexpected end" in str(error):
            raise NormscopeError(cut(archive, "a header or an image")) from None
        raise NormscopeError(
            f"{archive} must be an uncompressed tar archive, got: {error}. "
            "Unpack it, or make the archive again."
        ) from None


def is_hidden(info: tarfile.TarInfo) -> bool:
    """Whether a member is passed over without a word: a folder, or of a name with a dot first."""
    return info.isdir() or info.name.rsplit("/", 1)[-1][:1] == "."


def has_image_name(info: tarfile.TarInfo) -> bool:
    """Whether a member's name ends like an image's; links may have such names too."""
    if not info.name.lower().endswith((*SUFFIXES, *ARRAYS)):
        return False
    return info.isreg() or info.islnk() or info.issym()


def _is_image(info: tarfile.TarInfo, raw: BinaryIO) -> bool:
    if has_image_name(info):
        return True
    if not info.isreg():
        return False
    raw.seek(info.offset_data)
    return is_image(raw.read(min(HEAD, info.size)))


def cut(archive: str, where: str) -> str:
    """What is said of an archive that ends too early."""
    return (
        f"{archive} must be whole, got an archive that is cut in the middle of {where}. "
        "Copy it again."
    )
