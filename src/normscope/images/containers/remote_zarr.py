"""A Zarr folder elsewhere, as a store that Zarr's own library reads.

Not fsspec's own store: its requests are not tried again, and its errors may name secrets.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

from zarr.abc.store import OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest

from normscope.images.remote import list_remote, read_remote_if_there
from normscope.images.urls import remote_below

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

UNLISTED = ("http://", "https://")
"""Where nothing tells what lies below an address."""


class RemoteZarr(Store):
    """The files below a URL, read as they are asked for.

    Attributes:
        url: As ``without_secrets`` returns it.
        sizes: Bytes of each file by its key, or None where that cannot be known.
    """

    def __init__(self, url: str) -> None:
        super().__init__(read_only=True)
        self.url = url.rstrip("/")
        self.sizes: dict[str, int] | None = None
        if not self.url.lower().startswith(UNLISTED):
            start = len(self.url) + 1
            self.sizes = {file[start:]: size for file, size in list_remote(self.url)}

    @property
    def supports_writes(self) -> bool:
        """Nothing is written."""
        return False

    @property
    def supports_deletes(self) -> bool:
        """Nor removed."""
        return False

    @property
    def supports_listing(self) -> bool:
        """Whether it is known which files there are."""
        return self.sizes is not None

    @property
    def stamp(self) -> tuple[str] | None:
        """A digest of the files' names and sizes; None where these are unknown."""
        if self.sizes is None:
            return None
        return (hashlib.sha256(repr(sorted(self.sizes.items())).encode()).hexdigest(),)

    def stored(self, name: str) -> int:
        """How many bytes an array has; 0 where that is unknown.

        Args:
            name: Its path below the URL.

        Returns:
            Their number.
        """
        start = f"{name}/" if name else ""
        sizes = self.sizes or {}
        return sum(size for key, size in sizes.items() if key.startswith(start))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteZarr) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        """The bytes of a file, or None without it."""
        if self.sizes is not None and key not in self.sizes:
            return None
        start = end = None
        if isinstance(byte_range, RangeByteRequest):
            start, end = byte_range.start, byte_range.end
        elif isinstance(byte_range, OffsetByteRequest):
            start = byte_range.offset
        elif isinstance(byte_range, SuffixByteRequest):
            start = -byte_range.suffix
        url = remote_below(self.url, key)
        data = await asyncio.to_thread(read_remote_if_there, url, start, end)
        return None if data is None else prototype.buffer.from_bytes(data)

    async def get_partial_values(
        self, prototype: Any, key_ranges: Iterable[tuple[str, Any]]
    ) -> list[Any]:
        """The bytes of parts of files."""
        gets = (self.get(key, prototype, byte_range) for key, byte_range in key_ranges)
        return list(await asyncio.gather(*gets))

    async def exists(self, key: str) -> bool:
        """Whether there is such a file."""
        if self.sizes is not None:
            return key in self.sizes
        url = remote_below(self.url, key)
        return await asyncio.to_thread(read_remote_if_there, url) is not None

    async def list(self) -> AsyncIterator[str]:
        """Every file."""
        for key in self.sizes or {}:
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Every file whose key starts so."""
        for key in self.sizes or {}:
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """The names of the files and folders in a folder."""
        start = f"{prefix.rstrip('/')}/" if prefix else ""
        below = (key.removeprefix(start) for key in self.sizes or {} if key.startswith(start))
        for name in dict.fromkeys(key.partition("/")[0] for key in below):
            yield name

    async def set(self, key: str, value: Any) -> None:
        """Refused: nothing is written."""
        raise NotImplementedError

    async def delete(self, key: str) -> None:
        """Refused: nothing is written."""
        raise NotImplementedError
