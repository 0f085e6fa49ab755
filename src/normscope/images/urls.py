"""What lies elsewhere, and what it is called: without user, password and signature."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from pathlib import Path

URL = re.compile(r"(s3|gs|gcs|https?|hf|az|abfs)://", re.IGNORECASE)

_SECRETS: dict[str, str] = {}
"""URLs as they were given, by what they are called from then on: without user and query."""


def is_remote(path: str) -> bool:
    """Whether a path is the URL of something elsewhere."""
    return URL.match(path) is not None


def check_local(path: str | Path, name: str) -> None:
    """Refuse a URL where only files of this machine are read.

    Args:
        path: As the user gave it; a ``Path`` has lost one of the two slashes.
        name: What errors call it.

    Raises:
        NormscopeError: If it is a URL.
    """
    url = re.sub(":/+", "://", str(path), count=1)
    if is_remote(url):
        raise NormscopeError(
            f"{name} must lie on this machine, got {without_secrets(url)}. Download it, and give "
            "its folder or archive."
        )


def without_secrets(url: str) -> str:
    """What a URL is called in all that is shown or kept; ``with_secrets`` knows the rest.

    Args:
        url: As the user gave it, perhaps with a password or a signature.

    Returns:
        The URL without user, password, query and fragment.

    Raises:
        NormscopeError: If it is none.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise NormscopeError(f"{url} must be an address, got: {error}. Check it.") from None
    shown = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    if shown != url:
        _SECRETS[shown] = url
    return shown


def with_secrets(url: str) -> str:
    """The URL as it was given, of what ``without_secrets`` or ``remote_below`` returned."""
    return _SECRETS.get(url, url)


def remote_below(url: str, name: str) -> str:
    """The URL of a file below another, which is asked for with the same secrets.

    Args:
        url: As ``without_secrets`` returns it.
        name: Its path below that.

    Returns:
        Likewise without secrets.
    """
    below = f"{url}/{name}"
    if url in _SECRETS:
        parts = urlsplit(_SECRETS[url])
        path = f"{parts.path.rstrip('/')}/{name}"
        _SECRETS[below] = urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))
    return below
