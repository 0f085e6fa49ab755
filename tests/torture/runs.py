"""One command as a process of its own, and what is at fault when it has ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import normscope
from normscope.temporary_files import OURS

if TYPE_CHECKING:
    from tests.torture.cases import Case
    from tests.torture.warm import Warm

MOST_SECONDS = 300
"""After which a command is taken to hang; the slowest takes a minute on a busy machine."""

ENDING_SECONDS = 180
"""The same for a command that was told to end: half a second of work, of which ten such commands
make half a minute."""

ORPHAN_SECONDS = 30
"""For how long its processes may outlive it."""

SHARED_MEMORY = Path("/dev/shm")
THEIRS = re.compile(r"torchinductor_\w+|\.ses")
"""What torch and onnxruntime leave in the folder for temporary files: empty."""

WORDS = ("Traceback", "leaked", "Exception ignored", "Fatal Python error", "core dumped")


class Run:
    """A command that runs.

    Attributes:
        process: It.
        signals: What it was sent.
    """

    def __init__(
        self,
        case: Case,
        place: Path,
        who: int = 0,
        *,
        warm: Warm | None = None,
        user: int | None = None,
        **more: str,
    ) -> None:
        self._memory, self.signals = _shared_memory(), list[int]()
        self._said = place.parent / f"said-{uuid.uuid4().hex}"
        environment = {
            **os.environ, "TMPDIR": str(place / "tmp"), "NORMSCOPE_CACHE": str(place / "cache"),
            "PYTHONPATH": str(Path(normscope.__file__).parents[1]), **more,
        }  # fmt: skip
        with self._said.open("wb") as said:
            if warm is not None:
                self.process = warm.start(
                    arguments=case.call(who), place=str(place), environment=environment,
                    said=str(self._said), user=user,
                )  # fmt: skip
                return
            self.process = subprocess.Popen(
                [sys.executable, "-m", "normscope", *case.call(who)], cwd=place, env=environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, user=user,
                group=user, extra_groups=None if user is None else [], start_new_session=True,
            )  # fmt: skip

    def send(self, number: int, whom: str) -> bool:
        """Send a signal.

        Args:
            number: Which.
            whom: The ``main`` process, its ``group``, or a ``worker``, the youngest.

        Returns:
            Whether there was somebody to receive it.
        """
        if self.process.poll() is not None:
            return False
        with suppress(ProcessLookupError):
            if whom == "worker":
                workers = [pid for pid in self.living() if self._works(pid)]
                if not workers:
                    return False
                os.kill(max(workers), number)
            elif whom == "group":
                os.killpg(self.process.pid, number)
            else:
                os.kill(self.process.pid, number)
            if whom != "worker":
                self.signals.append(number)
            return True
        return False

    def wait(self) -> list[str]:
        """Wait for the end.

        Returns:
            What is at fault with it.
        """
        most = ENDING_SECONDS if self.signals else MOST_SECONDS
        try:
            status = self.process.wait(most)
        except subprocess.TimeoutExpired:
            where = self._stacks()
            for pid in self.living():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
            return [f"not ended after {most} s, signals {self.signals}: {where}\n{self.said()}"]
        faults = [self._wrong_status(status), self._wrong_words(), self._orphans(), self._memory_()]
        return [fault for fault in faults if fault]

    def said(self) -> str:
        """What it wrote on standard error."""
        return self._said.read_text(encoding="utf-8", errors="replace")

    def living(self) -> list[int]:
        """Its processes and those that they started: all of its session."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(session) == self.process.pid and state != "Z":
                    found.append(int(folder.name))
        return found

    def _works(self, pid: int) -> bool:
        """Whether it is a worker: a fork of a server, or of the command itself."""
        main, own = _command(self.process.pid), _command(pid)
        return "forkserver" in own or (own == main and pid != self.process.pid)

    def _began(self) -> bool:
        """Whether it came as far as normscope: before that, signals are Python's affair."""
        said = self.said()
        ours = [line for line in said.splitlines() if "/normscope/" in line]
        return bool(ours) and not all("/normscope/__init__.py" in line for line in ours)

    def _wrong_status(self, status: int) -> str | None:
        expected = {0, 1, 2}
        for number in self.signals:
            expected |= {-number, 128 + number}
        return None if status in expected else f"status {status}: {self.said()[-2000:]}"

    def _wrong_words(self) -> str | None:
        said = self.said()
        met = next((word for word in WORDS if word in said), None)
        if met is None:
            return None
        if met == "Traceback" and signal.SIGINT in self.signals and not self._began():
            return None
        return f"{met!r} on standard error, signals {self.signals}: {said[-3000:]}"

    def _orphans(self) -> str | None:
        deadline = time.monotonic() + ORPHAN_SECONDS
        while left := self.living():
            if time.monotonic() > deadline:
                said = [f"{pid}: {_command(pid)[:200]}" for pid in left]
                for pid in left:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                return f"processes left after signals {self.signals}: {said}"
            time.sleep(0.2)
        return None

    def _memory_(self) -> str | None:
        deadline = time.monotonic() + ORPHAN_SECONDS
        while True:  # what another command's helpers are about to remove is not left
            new = _shared_memory() - self._memory
            left = {name for name in new if (SHARED_MEMORY / name).exists() and not _used(name)}
            if not left:
                return None
            if time.monotonic() > deadline:
                return f"shared memory left after signals {self.signals}: {left}"
            time.sleep(0.5)

    def _stacks(self) -> str:
        return "; ".join(f"{pid} {_command(pid)[-60:]}" for pid in self.living())


def leftovers(place: Path) -> list[str]:
    """Files that were begun and not finished.

    Args:
        place: The folder in which a command was called.
    """
    kept = [p for p in (place / "tmp").rglob("*") if not THEIRS.fullmatch(p.name)]
    begun = [p for p in place.rglob("*") if OURS.fullmatch(p.name)]
    return sorted(str(path.relative_to(place)) for path in {*kept, *begun})


def _shared_memory() -> set[str]:
    return {path.name for path in SHARED_MEMORY.iterdir()} if SHARED_MEMORY.is_dir() else set()


def _used(name: str) -> bool:
    """Whether a living process has shared memory open, ours or anybody's.

    By its inode: the C library maps a semaphore under another name and gives it its own after.
    """
    with suppress(OSError):
        inode = str((SHARED_MEMORY / name).stat().st_ino)
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                for line in (folder / "maps").read_text().splitlines():
                    if str(SHARED_MEMORY) in line and line.split()[4] == inode:
                        return True
    return False


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""
