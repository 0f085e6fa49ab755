"""TFRecord files of Examples with encoded images in them."""

from __future__ import annotations

import struct
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import google_crc32c

from normscope.errors import NormscopeError
from normscope.images.collection import Stream, check_split_is_whole
from normscope.images.containers.held import Record, held_shards
from normscope.images.containers.wire import DamagedMessage, bytes_features
from normscope.images.encoded import MAX_FILE_BYTES, not_readable, open_binary
from normscope.images.formats import HEAD, is_image
from normscope.images.pixels import UnreadableImage
from normscope.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from normscope.images.containers.opening import Wanted

HEADER, FOOTER = struct.Struct("<QI"), struct.Struct("<I")
"""A record is its length and that number's checksum, its bytes, and their checksum."""

LOOKED_AT = 16
"""Records that tell which feature holds images."""


def open_stream(wanted: Wanted) -> Stream:
    """Open a TFRecord file.

    Args:
        wanted: The file, and perhaps the key of the feature, such as ``image/encoded``.

    Returns:
        Its images.

    Raises:
        NormscopeError: If it is no such file, or no feature holds images, or several do.
    """
    path = wanted.path
    check_split_is_whole(path, wanted.split)
    with _opened(path) as (raw, size):
        key = wanted.part or _key_of(path, raw, size)
    passed: Counter[str] = Counter()

    def records() -> Iterator[Record]:
        passed.clear()
        with _opened(path) as (raw, size):
            for index, data in enumerate(_records(path, raw, size)):
                yield from _images(f"{path} record {index}", data, key, raw.tell() / size, passed)

    return Stream(path, lambda: held_shards(records()), lambda: 1.0, passed=passed)


def _images(
    name: str,
    data: bytes | UnreadableImage,
    key: str | None,
    share: float,
    passed: Counter[str],
) -> Iterator[Record]:
    if isinstance(data, UnreadableImage):
        yield Record(name, data, share)
        return
    try:
        found = [value for known, value in bytes_features(memoryview(data)) if known == key]
    except DamagedMessage as error:
        yield Record(name, UnreadableImage(f"no TensorFlow Example: {error}"), share)
        return
    if not found:
        passed[f"records without {key}"] += 1
    for value in found:
        yield Record(name, bytes(value), share)


def _key_of(path: str, raw: BinaryIO, size: int) -> str | None:
    keys: dict[str, bool] = {}
    index = -1
    for index, data in zip(range(LOOKED_AT), _records(path, raw, size), strict=False):  # noqa: B007
        if isinstance(data, bytes):
            try:
                for key, value in bytes_features(memoryview(data)):
                    keys[key] = keys.get(key, False) or is_image(bytes(value[:HEAD]))
            except DamagedMessage:
                continue
    images = [key for key, holds_images in keys.items() if holds_images]
    if index >= 0 and not images:
        raise NormscopeError(
            f"{path} must hold TensorFlow Examples with encoded images, got "
            f"{'the bytes of ' + listed(list(keys)[:20]) if keys else 'none'} in its first "
            f"records. Name the feature, as {path}::image/encoded."
        )
    if len(images) > 1:
        raise NormscopeError(
            f"{path} must hold one feature of images to know which is meant, got "
            f"{listed(images)}. Choose one, as {path}::{images[0]}."
        )
    return images[0] if images else None


def _records(path: str, raw: BinaryIO, size: int) -> Iterator[bytes | UnreadableImage]:
    at = 0
    while at < size:
        header = raw.read(HEADER.size)
        if len(header) < HEADER.size:
            raise _cut(path, at)
        length, checksum = HEADER.unpack(header)
        if checksum != masked_checksum(header[:8]):
            if at == 0:
                raise NormscopeError(
                    f"{path} must be an uncompressed TFRecord file, got a file of another kind. "
                    "Check the path, or write it again."
                )
            # Where the next record starts is not known any more.
            raise NormscopeError(
                f"{path} must be whole, got a damaged length at byte {at}. Copy it again."
            )
        at += HEADER.size + length + FOOTER.size
        if at > size:
            raise _cut(path, at - FOOTER.size - length - HEADER.size)
        if length > MAX_FILE_BYTES:
            raw.seek(at)
            yield UnreadableImage(f"a record of {length} bytes is too large")
            continue
        data, footer = raw.read(length), raw.read(FOOTER.size)
        if len(footer) < FOOTER.size:
            raise _cut(path, at)
        damaged = FOOTER.unpack(footer)[0] != masked_checksum(data)
        yield UnreadableImage("its checksum differs: it is damaged") if damaged else data


def masked_checksum(data: bytes) -> int:
    """The CRC-32C of bytes, rotated and shifted as TFRecord does (``tsl/lib/hash/crc32c.h``)."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _cut(path: str, at: int) -> NormscopeError:
    return NormscopeError(
        f"{path} must be whole, got a file that is cut in the record at byte {at}. Copy it again."
    )


@contextmanager
def _opened(path: str) -> Iterator[tuple[BinaryIO, int]]:
    try:
        with open_binary(path) as raw:
            size = raw.seek(0, 2)
            raw.seek(0)
            yield raw, size
    except OSError as error:
        raise NormscopeError(not_readable(path, error)) from None
