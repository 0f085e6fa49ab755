"""LMDB databases whose values are encoded images.

Read by ourselves: the library maps the file into memory and trusts it, so that a damaged one ends
the process. The format is that of LMDB 0.9 (``mdb.c``, its structures ``MDB_page``, ``MDB_meta``
and ``MDB_node``), little-endian, as every machine in use writes it.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from normscope.errors import NormscopeError
from normscope.images.collection import Stream, check_split_is_whole
from normscope.images.encoded import EncodedImage, not_readable, open_binary
from normscope.images.encoded_shards import encoded_shards
from normscope.images.formats import HEAD, is_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from normscope.images.containers.opening import Wanted

DATA = "data.mdb"
"""The file in a database that is a folder."""

PAGE = struct.Struct("<Q2xHHH")
META = struct.Struct("<II16xIHH24xQQ40xQQQ")
NODE = struct.Struct("<HHHH")
BRANCH, LEAF = 1, 2
BIG, DATABASE, DUPLICATES = 1, 2, 4
MAGIC, VERSION = 0xBEEFC0DE, 1
NO_PAGE = 2**64 - 1
PAGE_SIZES = {2**power for power in range(8, 17)}
DEEPEST = 32
"""The library's own limit (``CURSOR_STACK``)."""

OTHER_VALUES = "LMDB values"


def open_stream(wanted: Wanted) -> Stream:
    """Open a database.

    Args:
        wanted: Its file, or the folder of it.

    Returns:
        The images among its values, in the order of the keys.

    Raises:
        NormscopeError: If it is no such database.
    """
    check_split_is_whole(wanted.path, wanted.split)
    path = wanted.path
    file = f"{path}/{DATA}" if Path(path).is_dir() else path
    if wanted.part is not None:
        raise NormscopeError(
            f"{path} must be read whole, got the part {wanted.part}. Leave out ::{wanted.part}."
        )
    try:
        with open_binary(file) as raw:
            _Tree.of(file, raw)
    except OSError as error:
        raise NormscopeError(not_readable(file, error)) from None
    passed: Counter[str] = Counter()

    def images() -> Iterator[EncodedImage]:
        passed.clear()
        with open_binary(file) as raw:
            tree = _Tree.of(file, raw)
            yield from tree.images(tree.root, "", 0, passed)

    # Where values lie says nothing of how many are still to come.
    return Stream(path, lambda: encoded_shards(images()), lambda: None, passed=passed)


@dataclass
class _Tree:
    path: str
    raw: BinaryIO
    size: int
    page_bytes: int
    root: int
    pages_left: int

    @classmethod
    def of(cls, path: str, raw: BinaryIO) -> _Tree:
        size = raw.seek(0, 2)
        metas = []
        at = 0
        for _ in range(2):
            raw.seek(at + PAGE.size)
            head = raw.read(META.size)
            if len(head) == META.size:
                magic, version, page_bytes, _, _, _, _, root, _, transaction = META.unpack(head)
                if (magic, version) == (MAGIC, VERSION) and page_bytes in PAGE_SIZES:
                    metas.append((transaction, page_bytes, root))
                    at = page_bytes
        if not metas:
            raise NormscopeError(
                f"{path} must be an LMDB database, got a file of another kind. "
                "Check the path, or write it again."
            )
        _, page_bytes, root = max(metas)
        return cls(path, raw, size, page_bytes, root, size // page_bytes)

    def images(
        self, page: int, above: str, depth: int, passed: Counter[str]
    ) -> Iterator[EncodedImage]:
        """The images below a page of the tree."""
        if page == NO_PAGE:
            return
        # A damaged tree may lead in circles; no page of a whole one is met twice.
        self.pages_left -= 1
        if depth > DEEPEST or self.pages_left < 0:
            raise self._damaged("pages that lead in circles")
        data = self._read(page * self.page_bytes, self.page_bytes)
        _, flags, lower, _ = PAGE.unpack(data[: PAGE.size])
        if not PAGE.size <= lower <= len(data) or not flags & (BRANCH | LEAF):
            raise self._damaged(f"no list of nodes in page {page}")
        for (at,) in struct.iter_unpack("<H", data[PAGE.size : lower - lower % 2]):
            node = data[at : at + NODE.size]
            if len(node) < NODE.size:
                raise self._damaged(f"a node outside of page {page}")
            low, high, bits, key_bytes = NODE.unpack(node)
            if flags & BRANCH:
                child = low | high << 16 | bits << 32
                yield from self.images(child, above, depth + 1, passed)
                continue
            key = data[at + NODE.size : at + NODE.size + key_bytes]
            name = above + key.decode("utf-8", "backslashreplace")
            value = at + NODE.size + key_bytes
            if bits & DATABASE and not bits & DUPLICATES:
                root = self._number(data[value + 40 : value + 48])
                yield from self.images(root, f"{name}/", depth + 1, passed)
                continue
            place = page * self.page_bytes + value
            if bits & BIG:
                place = self._number(data[value : value + 8]) * self.page_bytes + PAGE.size
            yield from self._image(name, place, low | high << 16, bits, passed)

    def _image(
        self, name: str, place: int, size: int, bits: int, passed: Counter[str]
    ) -> Iterator[EncodedImage]:
        if place + size > self.size:
            raise self._damaged(f"the value of {name} behind the end of the file")
        self.raw.seek(place)
        if not bits & DUPLICATES and is_image(self.raw.read(min(HEAD, size))):
            yield EncodedImage(name, self.path, place, size)
        else:
            passed[OTHER_VALUES] += 1

    def _number(self, data: bytes) -> int:
        if len(data) != 8:
            raise self._damaged("a node that ends too early")
        return int.from_bytes(data, "little")

    def _read(self, at: int, size: int) -> bytes:
        if at + size > self.size:
            raise self._damaged("a page behind the end of the file")
        self.raw.seek(at)
        return self.raw.read(size)

    def _damaged(self, met: str) -> NormscopeError:
        return NormscopeError(
            f"{self.path} must be a whole LMDB database, got {met}. Copy it again."
        )
