"""The command line: one file per command, and what they share."""

from __future__ import annotations

INTERRUPTED, TERMINATED = 130, 143
"""Exit statuses of a command that a signal ended: 128 and the signal's number."""


class Interrupted(KeyboardInterrupt):
    """What signals raise.

    After Python's own within ``exec``, which dataclasses and others use, ``python -m`` ends by the
    signal whatever the status is (``_Py_UnhandledKeyboardInterrupt`` in its sources).
    """


def main() -> None:
    """Run the command line and exit with its status, whenever a signal arrives."""
    import gc
    import os
    import signal
    import sys
    import threading

    # Threads that spin while they wait slow a busy machine down a hundredfold.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _open_standard_streams()
    _bear_a_full_standard_error()
    _encode_everything()
    terminated = False

    def end(number: int, _: object) -> None:
        nonlocal terminated
        terminated = number == signal.SIGTERM
        # After either, what was finished stays, and what was begun is removed.
        raise Interrupted

    def send_again(lost) -> None:
        # In a finalizer Python can only print what is raised, and would go on.
        if issubclass(lost.exc_type, KeyboardInterrupt):
            number = signal.SIGTERM if terminated else signal.SIGINT
            threading.Timer(0.01, os.kill, (os.getpid(), number)).start()
        else:
            sys.__unraisablehook__(lost)

    sys.unraisablehook = send_again
    _show_warnings_as_sentences()
    try:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not in a background job
            signal.signal(signal.SIGINT, end)
        signal.signal(signal.SIGTERM, end)
        from normscope.cli.app import run

        status = run(sys.argv[1:])
    except (KeyboardInterrupt, Exception) as error:
        if not _interrupted(error):
            raise
        status = INTERRUPTED
    # The rest is Python's own end, in which a signal could only change the status.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if status == INTERRUPTED:
        print(f"normscope: {'terminated' if terminated else 'interrupted'}.", file=sys.stderr)  # noqa: T201
        status = TERMINATED if terminated else INTERRUPTED
    # Else Python searches everything that was imported for cycles, which takes half a second.
    gc.freeze()
    sys.exit(status)


def _interrupted(error: BaseException | None) -> bool:
    """Whether a signal raised an error, or what the error was raised in the middle of."""
    # One that arrives where a lock is taken becomes a RuntimeError as that is released.
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _show_warnings_as_sentences() -> None:
    """Print a warning of ours as a sentence, for which no line of code is needed."""
    import sys
    import warnings

    as_python_does = warnings.showwarning

    def show(message, category, *where) -> None:
        if category is RuntimeWarning:
            print(f"normscope: {message}", file=sys.stderr)  # noqa: T201
        else:
            as_python_does(message, category, *where)

    warnings.showwarning = show


def _open_standard_streams() -> None:
    """Let those that are closed lead nowhere.

    Else the next file gets their number, such as a study's lock, and with it what libraries write
    to standard error and what workers keep open.
    """
    import os
    from contextlib import suppress

    with suppress(OSError):
        while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
            os.set_inheritable(number, True)
        os.close(number)


def _bear_a_full_standard_error() -> None:
    """Let what cannot be said go unsaid: the status is that of the work, whoever listens."""
    import io
    import sys

    if sys.platform == "win32":  # whose console takes characters, not bytes
        return

    class Patient(io.FileIO):
        def write(self, data) -> int:
            try:
                return super().write(data)
            except OSError:
                return memoryview(data).nbytes

    before = sys.stderr
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(Patient(2, "w", closefd=False)),
        getattr(before, "encoding", None),
        getattr(before, "errors", None),
        line_buffering=True,
    )


def _encode_everything() -> None:
    """Let characters that a stream's encoding lacks be written as Python would, not raise."""
    import codecs
    import io
    import sys

    def instead(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeEncodeError)
        lacked = error.object[error.start : error.end].replace("\xb1", "+-")
        return lacked.encode("ascii", "backslashreplace").decode(), error.end

    codecs.register_error("normscope", instead)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="normscope")
