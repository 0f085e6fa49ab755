"""FITS: each header and data unit with an image is an array, read by planes or by tiles."""

from __future__ import annotations

import gzip
import io
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from astropy.io import fits

from normscope.images.containers.packing import Packing
from normscope.images.containers.variable import Variable
from normscope.images.containers.variable_stream import stream_of, whole_file
from normscope.images.encoded import open_binary, size_of
from normscope.images.formats import GZIP_MAGIC
from normscope.images.pixels import MAX_BYTES
from normscope.images.urls import is_remote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from normscope.images.collection import Stream
    from normscope.images.containers.opening import Wanted
    from normscope.images.containers.variable import Box

SIGNATURE, NEXT = b"SIMPLE", b"XTENSION"
"""The first words of a file, and of each further unit."""

BLOCK_BYTES, END = 2880, b"END".ljust(80)
"""Of a header's blocks, and the last of its cards of 80 bytes (FITS standard 4.0, 3.1 and 3.3)."""

MOST_BLOCKS = 3000
"""Of a header: 108,000 cards."""

TYPES = {8: "u1", 16: "i2", 32: "i4", 64: "i8", -32: "f4", -64: "f8"}
"""Of BITPIX (FITS standard 4.0, table 8)."""


def open_stream(wanted: Wanted) -> Stream:
    """The images of a FITS file.

    Args:
        wanted: Its path, and a unit by its name, its name and version (``SCI,2``) or its number.

    Returns:
        The images, unread.
    """
    with whole_file(wanted.path, "FITS file"), _opened(wanted.path) as file:
        units = _units(wanted.path, file)
        _check_whole(wanted.path, units)
        names = _names(units)
        variables = [
            _variable(wanted.path, index, names[index], unit)
            for index, unit in enumerate(units)
            if unit.is_image and unit.header["NAXIS"]
        ]
    numbered = {str(index): name for index, name in enumerate(names)}
    if wanted.part in numbered and wanted.part not in names:
        wanted = replace(wanted, part=numbered[wanted.part])
    return stream_of(variables, wanted)


def _units(path: str, file: Any) -> list:
    """A file's units; astropy alone would look for a header's end through all that follows."""
    units = [file[0]]
    with _bytes_of(path) as raw:
        while True:
            place = units[-1].fileinfo()
            _check_header(raw, place["datLoc"] + place["datSpan"], len(units))
            try:
                units.append(file[len(units)])
            except IndexError:
                return units


def _check_header(raw: BinaryIO, at: int, index: int) -> None:
    raw.seek(at)
    for _ in range(MOST_BLOCKS):
        block = raw.read(BLOCK_BYTES)
        cards = (block[k : k + len(END)] for k in range(0, BLOCK_BYTES, len(END)))
        if len(block) < BLOCK_BYTES or END in cards:
            return
    raise ValueError(f"a header of unit {index} of more than {MOST_BLOCKS * BLOCK_BYTES:,} bytes")


def _check_whole(path: str, units: list) -> None:
    """Refuse a file that was cut, of which astropy would take what is left."""
    with _bytes_of(path) as raw:
        size = raw.seek(0, 2)
        last = units[-1].fileinfo()
        raw.seek(last["datLoc"] + last["datSpan"])
        if raw.read(len(NEXT)) == NEXT:
            raise ValueError(f"a unit {len(units)} that is cut in its header")
    for index, unit in enumerate(units):
        place = unit.fileinfo()
        # Of a compressed unit the size is that of the image; the last padding may be left out.
        needed = place["datLoc"] + min(unit.size, place["datSpan"])
        if needed > size:
            raise ValueError(f"{size:,} of the {needed:,} bytes up to the end of its unit {index}")


@contextmanager
def _bytes_of(path: str) -> Iterator[BinaryIO]:
    """A file's bytes; of one that gzip packed as a whole, as archives give them, those inside."""
    with open_binary(path) as raw:
        packed = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        raw.seek(0)
        if not packed:
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as file:
            data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES} bytes once unpacked")
    yield io.BytesIO(data)


@contextmanager
def _opened(path: str) -> Iterator[fits.HDUList]:
    with _bytes_of(path) as raw:
        head = raw.read(len(SIGNATURE))
        if head != SIGNATURE:
            raise ValueError("a file of another kind" if head else "an empty file")
        _check_header(raw, 0, 0)
        raw.seek(0)
        # Scaled here: astropy gives single precision to integers of 16 bits, and does not map them.
        if is_remote(path) or isinstance(raw, io.BytesIO):
            with fits.open(raw, memmap=False, do_not_scale_image_data=True) as file:
                yield file
            return
    with fits.open(path, memmap=True, do_not_scale_image_data=True) as file:
        yield file


def _names(units: list) -> list[str]:
    called = Counter(unit.name for unit in units)
    return [
        str(index) if not unit.name or unit.name == "PRIMARY"
        else unit.name if called[unit.name] == 1 else f"{unit.name},{unit.ver}"
        for index, unit in enumerate(units)
    ]  # fmt: skip


def _variable(path: str, index: int, name: str, unit) -> Variable:
    header = unit.header
    dtype = np.dtype(TYPES[header["BITPIX"]])
    scale, offset = header.get("BSCALE", 1), header.get("BZERO", 0)
    blank = header.get("BLANK") if dtype.kind in "iu" else None
    # Other signs than FITS has are written by this offset (section 5.2.5).
    flipped = _flipped(dtype) if scale == 1 and offset == _sign_offset(dtype) else None
    if flipped is not None:
        blank = None if blank is None else blank + offset
        offset = 0
    return Variable(
        path,
        name,
        tuple(unit.shape),
        flipped or dtype,
        partial(_read, path, index, flipped),
        chunks=tuple(unit.tile_shape) if hasattr(unit, "tile_shape") else None,
        packing=Packing(
            () if blank is None else (blank,),
            scale=None if scale == 1 else scale,
            offset=offset or None,
        ),
        stored=partial(size_of, path),
    )


def _sign_offset(dtype: np.dtype) -> int | None:
    bits = 8 * dtype.itemsize
    return {"i": 2 ** (bits - 1), "u": -(2 ** (bits - 1))}.get(dtype.kind)


def _flipped(dtype: np.dtype) -> np.dtype:
    return np.dtype(dtype.str.translate(str.maketrans("iu", "ui")))


def _read(path: str, index: int, flipped: np.dtype | None, box: Box) -> np.ndarray:
    with _opened(path) as file:
        stored = np.asarray(file[index].section[box])  # type: ignore[attr-defined]
        stored = np.array(stored, stored.dtype.newbyteorder("="))
    if flipped is None:
        return stored
    # Adding half the range is to turn the highest bit.
    return stored.view(flipped) ^ np.array(1 << (8 * flipped.itemsize - 1), np.uint64).astype(
        flipped
    )
