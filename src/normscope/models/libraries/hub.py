"""Whether Hugging Face's hub answers: asked once, quickly, since its client tries for 23 s."""

from __future__ import annotations

import functools
import socket
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

SECONDS = 5


def only_local(name: str) -> bool:
    """Whether a repository has to come from this machine, because nothing else is reached.

    Args:
        name: A folder or a repository.

    Returns:
        True for a folder, and where the hub does not answer; with a proxy it is taken to.
    """
    return Path(name).is_dir() or not _hub_answers()


@functools.cache
def _hub_answers() -> bool:
    from huggingface_hub.constants import ENDPOINT

    if getproxies():
        return True
    place = urlsplit(ENDPOINT)
    port = place.port or (80 if place.scheme == "http" else 443)
    try:
        socket.create_connection((place.hostname or "", port), timeout=SECONDS).close()
    except OSError:
        return False
    return True
