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


@contextmanager
def running_server(programs: Path) -> Iterator[str]:
    """Start a server on the loopback address.

    Yields its URL up to the database's name, which follows.
    """
    folder = Path(tempfile.mkdtemp(prefix="normscope-postgresql-"))
    try:
        (folder / "password").write_text(PASSWORD, encoding="ascii")
        as_user = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            for path in (folder, folder / "password"):
                os.chown(path, NOBODY, NOBODY)
            as_user = [
                "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--",
            ]  # fmt: skip
        port = free_port()
        data = folder / "data"

        def call(*command: str | Path) -> None:
            subprocess.run(
                [*as_user, *command], check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=60
            )

        call(
            programs / "initdb", "-D", data, "-U", USER, "--pwfile", folder / "password",
            "-A", "scram-sha-256", "-E", "UTF8", "--locale", "C",
        )  # fmt: skip
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        call(programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/"
        finally:
            call(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
