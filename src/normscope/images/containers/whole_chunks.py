"""A Zarr store whose chunks are as long as they say.

Blosc's library trusts the length in a chunk's own header: of a chunk that was cut, and whose bytes
it had stored as they are, it would take what lies behind in memory for pixels. A shard holds many
chunks, and says in its index where each of them ends.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from zarr.abc.store import RangeByteRequest, Store
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec, ShardingCodecIndexLocation
from zarr.storage import WrapperStore

from normscope.wording import counted

if TYPE_CHECKING:
    import zarr

BLOSC_HEADER = struct.Struct("<12xI")
"""At its end: how many bytes the chunk has (Blosc's ``README_CHUNK_FORMAT.rst``)."""

ENTRY_BYTES, CHECKSUM_BYTES = 16, 4
"""Of a shard's index for each chunk, its start and its length; of the index's checksum."""

UNWRITTEN = 2**64 - 1
"""The start of a chunk that is not in its shard."""


class WholeChunks(WrapperStore[Store]):
    """Another store, of which a cut chunk is not read.

    Attributes:
        inner: The other store.
        packed_by_blosc: Where the chunks of such arrays lie.
        shards: Where the shards of arrays lie, how they are coded and how many chunks each has.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.inner = store
        self.packed_by_blosc: set[str] = set()
        self.shards: dict[str, tuple[ShardingCodec, int]] = {}

    def note(self, array: zarr.Array) -> None:
        """Look at an array's chunks from now on.

        Args:
            array: One of the store.
        """
        place = f"{array.path}/".lstrip("/")
        if array.shards is not None:
            codec: Any = array.metadata.codecs[0]  # pyright: ignore[reportAttributeAccessIssue]
            self.shards[place] = codec, math.prod(array.shards) // math.prod(array.chunks)
        elif any("blosc" in type(packer).__name__.lower() for packer in array.compressors[-1:]):
            self.packed_by_blosc.add(place)

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
        for place, (codec, chunks) in self.shards.items():
            if key.startswith(place):
                return _end_of_shard(codec, chunks, data)
        if not any(key.startswith(start) for start in self.packed_by_blosc):
            return 0
        header = data[: BLOSC_HEADER.size].to_bytes()
        return BLOSC_HEADER.unpack(header)[0] if len(header) == BLOSC_HEADER.size else 2**4


def _end_of_shard(codec: ShardingCodec, chunks: int, data: Any) -> int:
    """Where the last chunk of a shard ends by its index (Zarr 3.0, sharding codec 1.0)."""
    coder, *others = codec.index_codecs
    if not isinstance(coder, BytesCodec) or any(type(o) is not Crc32cCodec for o in others):
        return 0
    bytes_ = ENTRY_BYTES * chunks
    checksums = CHECKSUM_BYTES * len(others)
    if len(data) < bytes_ + checksums:
        return bytes_ + checksums
    at_start = codec.index_location == ShardingCodecIndexLocation.start
    if others and not at_start:  # the checksum of what is taken for an index tells that it is cut
        return 0
    first = 0 if at_start else len(data) - bytes_
    order = ">" if str(getattr(coder.endian, "value", coder.endian)) == "big" else "<"
    index = np.frombuffer(data[first : first + bytes_].to_bytes(), f"{order}u8").reshape(-1, 2)
    ends = [start + length for start, length in index.tolist() if start != UNWRITTEN]
    return max(ends, default=0)
