"""Random moments in a command's life: after a time, or as it writes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from tests.torture.runs import Run

LOOK_SECONDS = 0.005


@dataclass(frozen=True)
class Moment:
    """When to strike.

    Attributes:
        share: Of the time that the command takes undisturbed; or None.
        writes: As files have changed so many times; or None.
    """

    share: float | None
    writes: int | None

    @classmethod
    def drawn(cls, rng: random.Random) -> Moment:
        """As often by time as by what is written, where a kill could tear something."""
        if rng.random() < 0.5:
            return cls(rng.random(), None)
        return cls(None, rng.choice((1, 2, 3, 4, 6, 9, 14, 20, 30)))

    def wait(self, run: Run, place: Path, seconds: float) -> None:
        """Wait for it, or for the command's end.

        Args:
            run: The command.
            place: The folder in which it was called.
            seconds: What it takes undisturbed.
        """
        deadline = time.monotonic() + (self.share or 4) * seconds
        changes, before = 0, _state(place)
        while time.monotonic() < deadline and run.process.poll() is None:
            if self.writes is None:
                time.sleep(LOOK_SECONDS)
                continue
            now = _state(place)
            changes += now != before
            before = now
            if changes >= self.writes:
                return
            time.sleep(LOOK_SECONDS)

    def __str__(self) -> str:
        if self.writes is None:
            return f"after {self.share:.2f} of its time"
        return f"at change {self.writes}"


def _state(place: Path) -> set[tuple[str, int, int]]:
    found = set()
    for root, folders, names in os.walk(place):
        folders[:] = [name for name in folders if name != "tmp"]
        for name in names:
            try:
                status = os.lstat(os.path.join(root, name))  # noqa: PTH118
            except OSError:
                continue
            found.add((name, status.st_size, status.st_mtime_ns))
    return found
