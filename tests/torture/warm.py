"""Commands that begin with everything imported: forked from a process that did nothing else.

Importing takes most of a small command's time. Kills would mostly meet that, and a hundred of them
would take hours; some are of processes begun as usual nevertheless.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

PRELOADED = (
    "alembic.command", "cv2", "pydantic", "sqlalchemy.dialects.sqlite", "PIL.JpegImagePlugin",
    "matplotlib.figure", "matplotlib.backends.backend_agg", "onnx", "onnxscript",
    "optuna", "scipy.stats", "sklearn.gaussian_process", "sklearn.ensemble", "sqlalchemy.orm",
    "torch", "torch._dynamo", "torch._inductor", "torch.export", "torch.onnx", "torchvision",
    "xarray", "normscope.cli.app", "normscope.deploy.shipping", "normscope.reports.writing",
    "normscope.reports.search_writing", "normscope.reports.check_page", "normscope.studies.search",
    "normscope.reports.audit_page", "normscope.checking.check", "normscope.auditing.audit",
    "normscope.trials.running", "normscope.deploy.onnx_shipping", "normscope.statistics.stats",
    "normscope.figures.channel_histograms", "normscope.studies.scan", "normscope.trials.single",
    "torch.onnx._internal.exporter._core", "normscope.trials.fast.training",
    *(f"normscope.cli.{name}" for name in
      ("audit", "check", "fold", "report", "scan", "search", "stats", "train")),
)  # fmt: skip
POLL_SECONDS = 0.02


class Warm:
    """A process that has imported everything, to fork commands from.

    Args:
        more: Environment variables that must be there before it starts.
    """

    def __init__(self, **more: str) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.torture.warm"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **more},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def start(self, **call: Any) -> Forked:
        """Fork a command; see ``_become`` for what it takes."""
        return Forked(self, self.ask(call))

    def ask(self, request: Any) -> Any:
        """One question to the process, and its answer."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

    def close(self) -> None:
        """End it."""
        self._server.communicate()


class Forked:
    """A command that was forked, with as much of ``Popen`` as is needed."""

    def __init__(self, warm: Warm, pid: int) -> None:
        self._warm, self.pid = warm, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its status, if it has ended."""
        if self.returncode is None:
            self.returncode = self._warm.ask(self.pid)
        return self.returncode

    def wait(self, seconds: float | None = None) -> int:
        """Wait for its end."""
        deadline = time.monotonic() + (seconds or 3600)
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("normscope", seconds or 3600)
            time.sleep(POLL_SECONDS)
        assert self.returncode is not None
        return self.returncode


def _serve() -> None:
    for name in PRELOADED:
        with suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        request = json.loads(line)
        if isinstance(request, int):
            pid, status = os.waitpid(request, os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if not answer:
                _become(**request)
                return
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _become(
    arguments: list[str], place: str, environment: dict[str, str], said: str, user: int | None
) -> None:
    """Be the command: in its folder, a session of its own, and perhaps another user's process."""
    os.setsid()
    for stream, path, flags in ((0, os.devnull, os.O_RDONLY), (1, os.devnull, os.O_WRONLY),
                                (2, said, os.O_WRONLY)):  # fmt: skip
        os.dup2(os.open(path, flags), stream)
    sys.stdin = os.fdopen(0)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(place)
    if user is not None:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    sys.argv = ["normscope", *arguments]
    from normscope.cli import main

    main()


if __name__ == "__main__":
    _serve()
