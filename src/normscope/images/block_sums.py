"""Checksums of a file's blocks, so that damage to what was kept is seen before it is used."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING

from normscope.machine.cores import available_cores

if TYPE_CHECKING:
    import numpy as np

BLOCK_BYTES = 2**24
"""CRC-32 takes a third of a second a gigabyte, and less with a block for each core; SHA-256, which
the pixels have too, takes three times as long and cannot be computed in parts."""


class SummedWriter:
    """Writes a file from its beginning, and sums up each block on the way.

    Attributes:
        sums: CRC-32 of every block so far, the last of which may be shorter.
    """

    def __init__(self, file: IO[bytes]) -> None:
        file.seek(0)
        file.truncate()
        self.sums: list[int] = []
        self._file = file
        self._bytes = 0

    def tell(self) -> int:
        """How many bytes were written."""
        return self._bytes

    def write(self, data: bytes | memoryview) -> None:
        """Write some bytes behind those before."""
        self._file.write(data)
        view = memoryview(data).cast("B")
        while view:
            filled = self._bytes % BLOCK_BYTES
            if not filled:
                self.sums.append(0)
            part = view[: BLOCK_BYTES - filled]
            self.sums[-1] = zlib.crc32(part, self.sums[-1])
            self._bytes += len(part)
            view = view[len(part) :]


def undamaged(data: np.ndarray, sums: list[int]) -> bool:
    """Whether bytes are still those that were written.

    Args:
        data: uint8.
        sums: Of the same bytes, as ``SummedWriter`` has them.

    Returns:
        Whether each block has its checksum.
    """
    blocks = [data[start : start + BLOCK_BYTES] for start in range(0, len(data), BLOCK_BYTES)]
    with ThreadPoolExecutor(available_cores()) as pool:
        return list(pool.map(lambda block: zlib.crc32(block.data), blocks)) == sums
