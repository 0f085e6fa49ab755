"""Connects to a Ray cluster, or says in one sentence why not."""

from __future__ import annotations

import logging
import os
import socket
from contextlib import ExitStack, contextmanager, suppress
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from normscope.errors import MissingExtra, NormscopeError

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_SECONDS = 5

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""What a client of HTTP/2 says first, which gRPC and so Ray speaks: with no settings of its own."""

SETTINGS = 4
"""The type of the first frame that such a server sends (RFC 9113, 3.4); its fourth byte."""

CLIENT = "ray://"
"""Before the address of a server of another kind, through which Ray's client works."""

STANDARD_ERROR = 2


@contextmanager
def ray_cluster(address: str) -> Iterator[Any]:
    """Use a running cluster for a while.

    Args:
        address: The cluster's, such as ``127.0.0.1:6379``, or ``auto``.

    Yields:
        The module ``ray``, connected. A connection that was there before stays.

    Raises:
        MissingExtra: If Ray is not installed.
        NormscopeError: If the cluster cannot be reached.
    """
    try:
        import ray
    except ImportError:
        raise MissingExtra("ray", "--ray") from None
    started = not ray.is_initialized()
    if started:
        _connect(ray, address)
    try:
        yield ray
    finally:
        if started:
            ray.shutdown()


@contextmanager
def _quiet_where_it_fails() -> Iterator[None]:
    """Keep back what a library in another language writes to standard error, unless all goes well.

    Yields:
        Nothing. What was written comes afterwards; after an error, which says enough, it is left
        out.
    """
    with ExitStack() as ended, TemporaryFile() as written:
        try:
            before = os.dup(STANDARD_ERROR)
        except OSError:  # closed
            yield
            return
        ended.callback(os.close, before)
        os.dup2(written.fileno(), STANDARD_ERROR)
        try:
            yield
        finally:
            os.dup2(before, STANDARD_ERROR)
        written.seek(0)
        with suppress(OSError):  # full
            os.write(STANDARD_ERROR, written.read())


def _connect(ray: Any, address: str) -> None:
    host, colon, port = address.removeprefix(CLIENT).rpartition(":")
    mend = "Start one by `ray start --head`."
    try:
        if colon and port.isdigit() and "/" not in host:
            # Ray itself tries for minutes where nobody answers.
            _check_speaks(host, int(port))
            mend = "If it answers others, it may want a token: set RAY_AUTH_MODE=token."
        with _quiet_where_it_fails():
            if colon and not address.startswith(CLIENT):
                _check_is_ray(ray, address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or (str(error).splitlines() or ["no answer"])[0]
        raise NormscopeError(
            f"--ray must be the address of a running cluster, got {address}: "
            f"{reason.rstrip('.')}. {mend}"
        ) from None


def _check_speaks(host: str, port: int) -> None:
    """Refuse a server that is surely no Ray's: Ray itself would wait long for an answer.

    Raises:
        OSError: If nobody is there, or answers as Ray does.
    """
    with socket.create_connection((host, port), timeout=PATIENCE_SECONDS) as connection:
        if os.environ.get("RAY_USE_TLS", "0") not in {"", "0"}:
            return
        try:
            connection.sendall(PREFACE)
            first = connection.recv(4, socket.MSG_WAITALL)
        except TimeoutError:
            raise OSError(f"no answer within {PATIENCE_SECONDS} s, as Ray's would be") from None
        if len(first) < 4 or first[3] != SETTINGS:
            raise OSError("an answer of another kind of server")


def _check_is_ray(ray: Any, address: str) -> None:
    """Refuse a server that speaks gRPC but is no Ray's, to which Ray itself would try for ever.

    Raises:
        OSError: If it does not know its cluster, or does not say so within Ray's own 30 s.
    """
    try:
        from ray._raylet import GcsClient  # pyright: ignore[reportAttributeAccessIssue]
    except ImportError:  # of a Ray to come
        return
    try:
        GcsClient(address=address)
    except ray.exceptions.RpcError:
        raise OSError("an answer of another kind of server") from None
