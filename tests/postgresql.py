"""A real PostgreSQL server that an ordinary user starts, for as long as a test session."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

USER, PASSWORD = "normscope", "a-very-secret-word"
NOBODY = 65534


def server_programs() -> Path | None:
    """The folder of initdb and pg_ctl, the newest where there are several."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return folders[-1].parent if folders else None


class Server:
    """A server on the loopback address, not started yet.

    Args:
        programs: What ``server_programs`` found.
        folder: Where its data lie, of an ordinary user.

    Attributes:
        url: Up to the database's name, which follows.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder = programs, folder
        self._port = free_port()
        self.url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self._port}/"
        (folder / "password").write_text(PASSWORD, encoding="ascii")
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            for path in (folder, folder / "password"):
                os.chown(path, NOBODY, NOBODY)
        self._call(
            "initdb", "-U", USER, "--pwfile", folder / "password", "-A", "scram-sha-256",
            "-E", "UTF8", "--locale", "C",
        )  # fmt: skip

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self._port} -k {self._folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._call("pg_ctl", "-w", "-l", self._folder / "log", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it in one of pg_ctl's modes: ``smart``, ``fast`` or ``immediate``."""
        self._call("pg_ctl", "-m", mode, "stop")

    def processes(self) -> list[int]:
        """The first process and those that it started."""
        first = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text()
        return [first, *map(int, children.split())]

    def _call(self, program: str, *arguments: str | Path) -> None:
        as_user = []
        if os.geteuid() == 0:
            as_user = [
                "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--",
            ]  # fmt: skip
        subprocess.run(
            [*as_user, self._programs / program, "-D", self._folder / "data", *arguments],
            check=True, cwd=self._folder, stdout=subprocess.DEVNULL, timeout=60,
        )  # fmt: skip


@contextmanager
def running_server(programs: Path) -> Iterator[Server]:
    """Start a server, and stop it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="normscope-postgresql-"))
    try:
        server = Server(programs, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
