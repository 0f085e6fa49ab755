"""What a test has left behind that could break another one."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

KEPT_THREADS = (
    "part_", "asyncio", "tqdm_monitor", "fsspecIO", "zarr_io", "Dummy-", "ThreadPoolExecutor-"
)  # fmt: skip
"""Threads, by the beginnings of their names, that live as long as the process; the last are dask's,
which ends them when it computes again."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)

SECONDS = 5.0
"""For threads and connections that are ending."""


def process_state() -> dict[str, object]:
    """What belongs to the whole process, by name."""
    found: dict[str, object] = {
        "the working folder": os.getcwd(),  # noqa: PTH109 - compared as it is
        "the handlers of signals": [signal.getsignal(number) for number in SIGNALS],
        "numpy's handling of errors": np.geterr(),
    }
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_num_threads"):
        found |= {
            "torch's threads": torch.get_num_threads(),
            "torch's dtype": torch.get_default_dtype(),
            "torch's gradients": torch.is_grad_enabled(),
            "torch's determinism": torch.are_deterministic_algorithms_enabled(),
        }
    return found


class LeftBehind:
    """What there is now, to be compared with what there is later."""

    def __init__(self) -> None:
        self._environment, self._path = dict(os.environ), sys.path.copy()
        self._threads, self._sockets = set(threading.enumerate()), _sockets()
        self._state = process_state()

    def faults(self) -> list[str]:
        """What has been left since, one sentence each."""
        state = process_state()
        # Torch may have been imported meanwhile.
        faults = [
            f"{name}: {state[name]} in place of {was}"
            for name, was in self._state.items()
            if state[name] != was
        ]
        faults += [f"the variable {name}" for name in self._changed_variables()]
        if threads := self._living_threads():
            faults.append(f"threads: {threads}")
        if sockets := self._lasting_sockets():
            faults.append(f"sockets: {sockets}")
        return faults

    def _lasting_sockets(self) -> list[str]:
        sockets, deadline = self._new_sockets(), time.monotonic() + SECONDS
        if sockets:
            gc.collect()  # what the collector closes is a ResourceWarning of this test
        while sockets and time.monotonic() < deadline:
            time.sleep(0.02)  # a client closes its own once it has heard of the server's end
            sockets = self._new_sockets()
        return sockets

    def _new_sockets(self) -> list[str]:
        """Those of a network: the pairs of event loops live as long as these."""
        new = [number for name, number in _sockets().items() if name not in self._sockets]
        return [described for number in new if (described := _described(number))]

    def restore_path(self) -> None:
        """Forget the folders of modules of the test's own."""
        sys.path[:] = [place for place in sys.path if place in self._path or _is_library(place)]

    def _changed_variables(self) -> list[str]:
        # Libraries set some of their own when they are imported.
        names = {*self._environment, *(name for name in os.environ if name.startswith("NORMSCOPE"))}
        names -= {"PYTEST_CURRENT_TEST", "LD_LIBRARY_PATH"}
        return [n for n in sorted(names) if os.environ.get(n) != self._environment.get(n)]

    def _living_threads(self) -> list[str]:
        deadline = time.monotonic() + SECONDS
        living = []
        for thread in set(threading.enumerate()) - self._threads:
            if not thread.name.startswith(KEPT_THREADS):
                thread.join(max(0.0, deadline - time.monotonic()))
                if thread.is_alive():
                    living.append(thread.name)
        return living


def _is_library(place: str) -> bool:
    return Path(place).is_relative_to(sys.prefix)


def _sockets() -> dict[str, int]:
    """The open ones by their names, with their descriptors; none where the system does not tell."""
    found = {}
    with suppress(FileNotFoundError), os.scandir("/proc/self/fd") as opened:
        for each in opened:
            with suppress(OSError):  # what lists them is closed
                name = os.readlink(each.path)  # noqa: PTH115 - a tenth of the time
                if name.startswith("socket:"):
                    found[name] = int(each.name)
    return found


def _described(number: int) -> str:
    """A socket of a network; nothing for one that another thread has closed since it was listed."""
    with suppress(OSError), socket.socket(fileno=os.dup(number)) as found:
        return "" if found.family == socket.AF_UNIX else str(found)
    return ""
