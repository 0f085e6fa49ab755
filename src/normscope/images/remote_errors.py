"""What the errors of servers of files mean: each service has errors of its own."""

from __future__ import annotations

from normscope import patience


def refusal_of(error: Exception) -> str | None:
    """Why another attempt is of no use, or None."""
    status = status_of(error)
    if isinstance(error, FileNotFoundError) or status in {404, 410}:
        return "nothing there"
    if isinstance(error, PermissionError) or status in {401, 403}:
        return "access denied"
    if type(error).__name__ in {"NoCredentialsError", "PartialCredentialsError"}:
        return "no credentials (for a public bucket set FSSPEC_S3_ANON=true)"
    return f"status {status}" if status is not None and 400 <= status < 500 else None


def status_of(error: Exception) -> int | None:
    """The status of HTTP that an error has, or None."""
    status = getattr(error, "status", None)
    return status if isinstance(status, int) else None


def reason_of(error: Exception) -> str:
    """What happened, in a few words."""
    # Only the kind: an error's own text may hold the URL with its secrets.
    status = status_of(error)
    if status is not None:
        return f"status {status}"
    if is_late(error):
        seconds = (
            patience.CONNECT_SECONDS if "Connect" in type(error).__name__ else patience.READ_SECONDS
        )
        return f"no answer within {seconds} s"
    return f"no connection ({type(error).__name__})"


def is_late(error: Exception) -> bool:
    """Whether an answer was waited for in vain."""
    return isinstance(error, TimeoutError) or "Timeout" in type(error).__name__
