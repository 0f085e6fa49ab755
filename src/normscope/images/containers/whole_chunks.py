"""A Zarr store whose chunks are as long as they say.

Blosc's library trusts the length in a chunk's own header: of a chunk that was cut, and whose bytes
it had stored as they are, it would take what lies behind in memory for pixels.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from zarr.abc.store import RangeByteRequest, Store
from zarr.storage import WrapperStore

from normscope.wording import counted

if TYPE_CHECKING:
    import zarr

BLOSC_HEADER = struct.Struct("<12xI")
"""At its end: how many bytes the chunk has (Blosc's ``README_CHUNK_FORMAT.rst``)."""


class WholeChunks(WrapperStore[Store]):
    """Another store, of which a cut chunk is not read.

    Attributes:
        inner: The other store.
        packed_by_blosc: Where the chunks of such arrays lie.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.inner = store
        self.packed_by_blosc: set[str] = set()

    def note(self, array: zarr.Array) -> None:
        """Look at an array's chunks from now on.

        Args:
            array: One of the store.
        """
        if any("blosc" in type(packer).__name__.lower() for packer in array.compressors[-1:]):
            self.packed_by_blosc.add(f"{array.path}/".lstrip("/"))

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        """The bytes of a file, or None without it."""
        data = await super().get(key, prototype, byte_range)
        if data is None:
            return None
        least = 0
        if isinstance(byte_range, RangeByteRequest):
            least = byte_range.end - byte_range.start
        elif byte_range is None and not key.endswith(("zarr.json", ".zarray", ".zattrs")):
            least = self._least(key, data)
        if len(data) < least:
            raise ValueError(
                f"a chunk of {counted(len(data), 'byte')} in place of {least:,}, so it is cut"
            )
        return data

    def _least(self, key: str, data: Any) -> int:
        if not any(key.startswith(start) for start in self.packed_by_blosc):
            return 0
        header = data[: BLOSC_HEADER.size].to_bytes()
        return BLOSC_HEADER.unpack(header)[0] if len(header) == BLOSC_HEADER.size else 2**4
