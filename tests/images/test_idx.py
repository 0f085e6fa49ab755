from __future__ import annotations

import gzip

import numpy as np
import pytest

from normscope.errors import NormscopeError
from normscope.images.idx import read_idx

HEADER = b"\0\0\x08\x03" + np.array([2, 3, 4], ">u4").tobytes()
PIXELS = bytes(range(24))


@pytest.mark.parametrize("packed", [False, True])
def test_reads_plain_and_gzipped(tmp_path, packed):
    path = tmp_path / ("images.gz" if packed else "images")
    path.write_bytes(gzip.compress(HEADER + PIXELS) if packed else HEADER + PIXELS)
    np.testing.assert_array_equal(read_idx(path), np.arange(24, dtype=np.uint8).reshape(2, 3, 4))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b"",
            "{path} must start with the IDX header of unsigned bytes (00 00 08 and the number of "
            "dimensions), got an empty file. Fetch the file again.",
        ),
        (
            b"\0\0\x0d\x03",
            "{path} must start with the IDX header of unsigned bytes (00 00 08 and the number of "
            "dimensions), got 00 00 0d 03. Fetch the file again.",
        ),
        (
            HEADER[:9],
            "{path} must hold a size for each of its 3 dimensions, got 5 bytes of header. "
            "Fetch the file again.",
        ),
        (
            HEADER + PIXELS[:-1],
            "{path} must hold 24 bytes of data, as its header says, got only 23. "
            "Fetch the file again.",
        ),
        (
            HEADER + PIXELS + b"x",
            "{path} must hold 24 bytes of data, as its header says, got more. "
            "Fetch the file again.",
        ),
        (
            b"\0\0\x08\x02" + np.array([2**20, 2**20], ">u4").tobytes(),
            "{path} must hold at most 8589934592 bytes, got a header that promises "
            "1048576 x 1048576. Fetch the file again.",
        ),
        (
            b"\0\0\x08\x05" + np.array([0, 2**16, 2**31, 2**31, 9], ">u4").tobytes(),
            "{path} must hold at most 8589934592 bytes, got a header that promises "
            "0 x 65536 x 2147483648 x 2147483648 x 9. Fetch the file again.",
        ),
        (
            b"\0\0\x08\x46" + np.ones(70, ">u4").tobytes() + b"x",
            "{path} must have at most 8 dimensions, got a header that promises 70. Fetch the file "
            "again.",
        ),
    ],
)
def test_corrupt_files(tmp_path, content, sentence):
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(NormscopeError) as error:
        read_idx(path)
    assert str(error.value) == sentence.format(path=path)


def test_a_gzipped_file_that_was_cut(tmp_path):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(HEADER + PIXELS)[:20])
    with pytest.raises(NormscopeError) as error:
        read_idx(path)
    assert str(error.value) == (
        f"{path} must be a readable IDX file, got: Compressed file ended before the "
        "end-of-stream marker was reached. Fetch the file again."
    )
