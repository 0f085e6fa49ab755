"""Decoded images kept between commands: one memory-mapped file for each source and transform."""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from normscope.errors import NormscopeError
from normscope.images.encoded import stamp
from normscope.images.packing import MAGIC, is_whole, pack, read_footer
from normscope.writing import replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from normscope.images.listing import Listing
    from normscope.images.transform import ImageTransform

FOLDER_VARIABLE = "NORMSCOPE_CACHE"
LIMIT_VARIABLE = "NORMSCOPE_CACHE_GB"
DEFAULT_LIMIT_GB = 50
SUFFIX = ".images"
DECODERS = (
    "imagecodecs",
    "nibabel",
    "opencv-python-headless",
    "pillow",
    "pydicom",
    "tifffile",
    "torchvision",
)
"""Packages whose versions decide the pixels."""
PIXELS = 5
"""Raised when the same files give other pixels than in earlier versions of normscope."""


@dataclass(frozen=True)
class CachedImages:
    """One file of the cache.

    Attributes:
        path: Where it lies.
        source: What was decoded, as the user named it.
        bytes_: Its size.
        used: When it was used last, in seconds since 1970.
    """

    path: Path
    source: str
    bytes_: int
    used: float


def cache_folder() -> Path:
    """Where normscope keeps what it can make again.

    Returns:
        ``$NORMSCOPE_CACHE``, else the user's cache folder.
    """
    given = os.environ.get(FOLDER_VARIABLE)
    return Path(given) if given else user_cache_path("normscope")


def packed(
    listing: Listing,
    transform: ImageTransform,
    name: str,
    on_image: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, Path | None]:
    """The packed images of a listing: from the cache, else decoded into it.

    Of two processes that want the same images one decodes and the other waits. A file gets its
    name when it is whole, and is checked to the last bit before it is used. Where the cache cannot
    be written, the images are decoded into memory.

    Args:
        listing: The images.
        transform: What is done to each.
        name: The source as the user named it.
        on_image: Called with how many are decoded and how many there are.

    Returns:
        The bytes that ``pack`` writes, and the file that they are mapped from, if it is one.
    """
    folder = cache_folder() / "decoded"
    path = folder / f"{_key(listing, transform, name)}{SUFFIX}"
    limit = _limit()
    try:
        data = _opened(path)
        if data is not None:
            return data, path
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            data = _opened(path)
            if data is None:
                if path.is_file():
                    warnings.warn(
                        f"the decoded images of {name} must be whole to be used, got damage in "
                        f"{path}; decoding them anew. Check the disk if it happens again.",
                        RuntimeWarning,
                        stacklevel=2,
                    )
                _remove_leftovers(folder, path.stem)
                with replacing(path) as temporary, temporary.open("w+b") as file:
                    pack(listing, transform, name, file, on_image)
                data = _opened(path)
        _evict(folder, path, limit)
        if data is not None:
            return data, path
        reason = "a file that is not whole"
    except OSError as error:
        reason = error.strerror or str(error)
    warnings.warn(
        f"the cache {folder} must be writable to keep decoded images, got: {reason}; going on "
        f"without. Free space, or choose another folder in {FOLDER_VARIABLE}.",
        RuntimeWarning,
        stacklevel=2,
    )
    buffer = io.BytesIO()
    pack(listing, transform, name, buffer, on_image)
    return np.frombuffer(buffer.getbuffer(), np.uint8), None


def cached() -> list[CachedImages]:
    """What the cache holds, the least recently used first."""
    found = []
    for path in _files(cache_folder() / "decoded"):
        try:
            status, data = path.stat(), _mapped(path)
        except OSError:
            continue  # evicted by another process just now
        footer = read_footer(data)
        source = footer["source"] if footer else "(unfinished)"
        found.append(CachedImages(path, source, status.st_size, status.st_mtime))
    return sorted(found, key=lambda entry: entry.used)


def clear_cache() -> int:
    """Remove every file of decoded images.

    A command that has one of them mapped keeps it until it ends.

    Returns:
        How many bytes were freed.
    """
    freed, folder = 0, cache_folder() / "decoded"
    for key in {path.name.lstrip(".").partition(".")[0] for path in _files(folder)}:
        # What is being decoded is spared.
        with suppress(Timeout), FileLock(folder / f"{key}.lock", timeout=0):
            freed += _remove_leftovers(folder, key) + _remove(folder / f"{key}{SUFFIX}")
    return freed


def _key(listing: Listing, transform: ImageTransform, name: str) -> str:
    digest = hashlib.sha256()
    versions = {package: _version(package) for package in DECODERS}
    # A scale divides what is kept, and is asked for again where it is read.
    done = replace(transform, scale=None).to_json()
    identity = [MAGIC.decode(), PIXELS, str(Path(name).resolve()), done, versions]
    digest.update(json.dumps([*identity, listing.classes]).encode())
    stamps: dict[str, tuple[int, int | str] | None] = {}
    for split, images in listing.splits.items():
        digest.update(split.encode())
        for image in (part for whole in images for part in whole.parts):
            if image.archive is None or image.archive not in stamps:
                stamps[image.file] = stamp(image.file)
            fields = (image.path, image.label, image.offset, image.size, stamps[image.file])
            digest.update(repr(fields).encode())
    return digest.hexdigest()[:32]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _opened(path: Path) -> np.ndarray | None:
    if not path.is_file():
        return None
    data = _mapped(path)
    if not is_whole(data):
        return None
    with suppress(OSError):  # a cache that may only be read
        os.utime(path)  # noted as used, so that it is evicted last
    return data


def _mapped(path: Path) -> np.ndarray:
    if path.stat().st_size == 0:
        return np.empty(0, np.uint8)
    return np.memmap(path, np.uint8, "r")


def _files(folder: Path) -> Iterator[Path]:
    # What a killed process left under a temporary name counts too, and is never opened.
    if folder.is_dir():
        yield from (p for p in folder.iterdir() if p.suffix == SUFFIX)


def _remove(path: Path) -> int:
    """Remove a file, and say how many bytes it had."""
    try:
        size = path.stat().st_size
        path.unlink()
    except OSError:
        return 0  # gone already, or not ours to remove
    return size


def _remove_leftovers(folder: Path, key: str) -> int:
    """Remove what killed processes left of one file, whose lock is held here."""
    return sum(_remove(path) for path in folder.glob(f".{key}{SUFFIX}.*"))


def _evict(folder: Path, kept: Path, limit: float) -> None:
    entries = []
    for path in _files(folder):
        with suppress(OSError):  # removed by another process just now
            status = path.stat()
            entries.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in entries)
    for _, _, path in sorted(entries):
        if path.name.startswith("."):
            key = path.name[1:].partition(".")[0]
            with suppress(Timeout, OSError), FileLock(folder / f"{key}.lock", timeout=0):
                total -= _remove_leftovers(folder, key)
        elif path != kept and total > limit:
            total -= _remove(path)


def _limit() -> float:
    text = os.environ.get(LIMIT_VARIABLE, str(DEFAULT_LIMIT_GB))
    try:
        limit = float(text)
    except ValueError:
        limit = -1.0
    if not limit >= 0:
        raise NormscopeError(
            f"{LIMIT_VARIABLE} must be a number of gigabytes of at least 0, got '{text}'. "
            f"Unset it for {DEFAULT_LIMIT_GB}."
        )
    return limit * 1e9
