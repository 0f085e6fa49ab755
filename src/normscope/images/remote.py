"""Files elsewhere, through fsspec: read in ranges, tried again, and never named with a secret."""

from __future__ import annotations

import io
import threading
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from normscope import patience
from normscope.errors import MissingExtra, NormscopeError, WorkFailed
from normscope.images.remote_errors import is_late, reason_of, refusal_of, status_of
from normscope.images.urls import with_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

ATTEMPTS = 3
PAUSE_SECONDS = 0.5
"""Before the second attempt, and twice as long before each further one."""

BUFFER_BYTES = 2**20

MOST_HELD_BYTES = 2**28
_HOLDING = threading.Lock()

_ANSWERED: set[str] = set()
"""Servers that have answered: others are not waited for again."""


def open_remote(url: str) -> io.BufferedReader:
    """Open a file elsewhere, to read any part of it.

    Args:
        url: As ``without_secrets`` returns it.

    Returns:
        The file; parts of it are asked for as they are read.
    """
    return io.BufferedReader(_RemoteFile(url), BUFFER_BYTES)


def remote_stamp(url: str) -> tuple[int, str]:
    """What tells that a file elsewhere has changed: its size, and its tag or time."""
    info = _tried(url, lambda files, path: files.info(path))
    marks = [str(info[key]) for key in ("ETag", "etag", "LastModified", "mtime") if key in info]
    return _size(url, info), " ".join(marks)


def read_remote(url: str, start: int | None = None, end: int | None = None) -> bytes:
    """Read a file elsewhere, or a part of it.

    Args:
        url: As ``without_secrets`` returns it.
        start: The first byte, or None for all.
        end: The byte behind the last.

    Returns:
        The bytes.

    Raises:
        WorkFailed: If they cannot be had, or the server sends more than was asked for.
    """
    data = _tried(url, lambda files, path: files.cat_file(path, start=start, end=end))
    if start is not None and end is not None and len(data) > end - start:
        raise WorkFailed(
            f"{url} must be on a server that sends parts of files, got the whole file. "
            "Download it first."
        )
    return data


def read_remote_if_there(
    url: str, start: int | None = None, end: int | None = None
) -> bytes | None:
    """As ``read_remote``, but None where there is nothing; a negative start counts from the end."""

    def work(files: Any, path: str) -> bytes | None:
        try:
            return files.cat_file(path, start=start, end=end)
        except FileNotFoundError as error:
            if error.__cause__ is None:
                return None
            raise

    return _tried(url, work)


@lru_cache(maxsize=1)
def _held(url: str, stamp: tuple[int, str]) -> bytes:  # noqa: ARG001 - tells a changed file
    return read_remote(url)


def held_remote(url: str, kind: str) -> bytes:
    """A whole file elsewhere, of a format that cannot be read in parts.

    The last one stays in memory, so that all who read parts of it fetch it once.

    Args:
        url: As ``without_secrets`` returns it.
        kind: The format, for errors.

    Returns:
        Its bytes.

    Raises:
        NormscopeError: If they are too many.
    """
    stamp = remote_stamp(url)
    if stamp[0] > MOST_HELD_BYTES:
        raise NormscopeError(
            f"{url} must have at most {MOST_HELD_BYTES} bytes, as {kind} elsewhere is held in "
            f"memory, got {stamp[0]}. Download it first."
        )
    with _HOLDING:
        return _held(url, stamp)


def list_remote(url: str) -> list[tuple[str, int]]:
    """The files under a prefix.

    Args:
        url: As ``without_secrets`` returns it.

    Returns:
        URL and size in bytes of each, in the order of their names.
    """

    def find(files: Any, path: str) -> list[tuple[str, int]]:
        found = files.find(path, detail=True)
        if not found:
            _check_empty(files, path)
        return sorted(
            (files.unstrip_protocol(name), info.get("size") or 0) for name, info in found.items()
        )

    return _tried(url, find)


def _check_empty(files: Any, path: str) -> None:
    # fsspec takes a folder that cannot be read for an empty one.
    try:
        files.ls(path)
    except FileNotFoundError as error:
        if error.__cause__ is not None:
            raise


class _RemoteFile(io.RawIOBase):
    def __init__(self, url: str) -> None:
        self.url, self.at = url, 0
        self.size = remote_stamp(url)[0]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = max(0, offset + (0, self.at, self.size)[whence])
        return self.at

    def readinto(self, buffer: Any) -> int:
        end = min(self.at + len(buffer), self.size)
        if end <= self.at:
            return 0
        data = read_remote(self.url, self.at, end)
        buffer[: len(data)] = data
        self.at += len(data)
        return len(data)


def _size(url: str, info: dict[str, Any]) -> int:
    if info.get("size") is None:
        raise WorkFailed(
            f"{url} must be on a server that tells a file's size, got none. Download it first."
        )
    return info["size"]


@lru_cache
def _files_of(protocol: str) -> Any:
    try:
        import fsspec
    except ModuleNotFoundError:
        raise MissingExtra("fsspec") from None
    options: dict[str, Any] = {}
    if protocol == "s3":
        retries = {"total_max_attempts": 1}
        options["config_kwargs"] = {
            "connect_timeout": patience.CONNECT_SECONDS,
            "read_timeout": patience.READ_SECONDS,
            "retries": retries,
        }
    try:
        if protocol in {"http", "https"}:
            import aiohttp

            timeout = aiohttp.ClientTimeout(
                total=None, sock_connect=patience.CONNECT_SECONDS, sock_read=patience.READ_SECONDS
            )
            options["client_kwargs"] = {"timeout": timeout}
        return fsspec.filesystem(protocol, **options)
    except ImportError as error:
        raise NormscopeError(
            f"{protocol}:// must be read by a package of fsspec, got: {error}. Install it."
        ) from None


def _tried(url: str, work: Callable[[Any, str], Any]) -> Any:
    full = with_secrets(url)
    protocol, _, rest = full.partition("://")
    files, server = _files_of(protocol.lower()), f"{protocol}://{rest.partition('/')[0]}"
    for attempt in range(1, ATTEMPTS + 1):
        try:
            found = work(files, full)
            _ANSWERED.add(server)
            return found
        except NormscopeError:
            raise
        except Exception as error:  # noqa: BLE001 - every service has errors of its own
            cause = error.__cause__
            if isinstance(cause, Exception) and (isinstance(cause, OSError) or status_of(cause)):
                # Over HTTP whatever goes wrong is first called a file that is not found.
                error = cause
            refusal = refusal_of(error)
            if refusal is None and is_late(error) and server not in _ANSWERED:
                refusal = reason_of(error)
            if refusal is not None or attempt == ATTEMPTS:
                break_off = refusal or f"{reason_of(error)} in each of {ATTEMPTS} attempts"
                raise WorkFailed(
                    f"{url} must be readable, got: {break_off}. "
                    "Check the address, the network and the credentials in the environment."
                ) from None
        time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
    raise AssertionError  # the last attempt returned or raised
