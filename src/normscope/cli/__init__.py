"""The command line: one file per command, and what they share."""

from __future__ import annotations

INTERRUPTED, TERMINATED = 130, 143
"""Exit statuses of a command that a signal ended: 128 and the signal's number."""


def main() -> None:
    """Run the command line and exit with its status, whenever a signal arrives."""
    import os
    import signal
    import sys
    import threading
    import warnings

    # Threads that spin while they wait slow a busy machine down a hundredfold.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    terminated = False

    def terminate(*_: object) -> None:
        nonlocal terminated
        terminated = True
        # To leave as after Ctrl-C: what was finished stays, what was begun is removed.
        raise KeyboardInterrupt

    def send_again(lost) -> None:
        # In a finalizer Python can only print what is raised, and would go on.
        if lost.exc_type is KeyboardInterrupt:
            number = signal.SIGTERM if terminated else signal.SIGINT
            threading.Timer(0.01, os.kill, (os.getpid(), number)).start()
        else:
            sys.__unraisablehook__(lost)

    sys.unraisablehook = send_again
    as_python_does = warnings.showwarning

    def show_warning(message, category, *where) -> None:
        if category is RuntimeWarning:  # a sentence of ours, for which no line of code is needed
            print(f"normscope: {message}", file=sys.stderr)  # noqa: T201
        else:
            as_python_does(message, category, *where)

    warnings.showwarning = show_warning
    try:
        signal.signal(signal.SIGTERM, terminate)
        from normscope.cli.app import run

        status = run(sys.argv[1:])
    except KeyboardInterrupt:
        status = INTERRUPTED
    # The rest is Python's own end, in which a signal could only change the status.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if status == INTERRUPTED:
        print(f"normscope: {'terminated' if terminated else 'interrupted'}.", file=sys.stderr)  # noqa: T201
        status = TERMINATED if terminated else INTERRUPTED
    sys.exit(status)
