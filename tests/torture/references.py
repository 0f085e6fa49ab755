"""What undisturbed runs leave, and how a disturbed one's folder differs from that."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.torture.contents import contents
from tests.torture.runs import Run, leftovers
from tests.torture.warm import Warm

if TYPE_CHECKING:
    from pathlib import Path

    from tests.torture.cases import Case

GROWS = {"study.db", "shared.db"}


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing disturbed.

    Attributes:
        seconds: What it took.
        bytes_: What it wrote.
        contents: What each file says.
    """

    seconds: float
    bytes_: int
    contents: dict[str, Any]


class References:
    """Undisturbed runs, each made when it is first asked for.

    Args:
        folder: Where they are made; removed after each.
        inputs: What they read.

    Attributes:
        warm: Where they are forked from.
    """

    def __init__(self, folder: Path, inputs: Path) -> None:
        self.folder, self.inputs, self.warm = folder, inputs, Warm()
        self._known: dict[str, Undisturbed] = {}

    def of(self, case: Case) -> Undisturbed:
        """The command's own run."""
        if case.name not in self._known:
            place = self.folder / "undisturbed"
            case.prepare(place, self.inputs)
            before = _bytes(place)
            began = time.monotonic()
            faults = self.finish(case, place)
            seconds = (time.monotonic() - began) / (1 + case.shared)
            assert not faults, f"{case.name}, undisturbed: {faults}"
            self._known[case.name] = Undisturbed(seconds, _bytes(place) - before, contents(place))
            shutil.rmtree(place)
        return self._known[case.name]

    def torn(self, case: Case, place: Path) -> list[str]:
        """What an interrupted run left that an undisturbed one does not leave."""
        whole = self.of(case).contents
        faults = []
        for name, held in contents(place).items():
            if name.rpartition("/")[2] in GROWS:
                known = whole[name]
                wrong = [key for key in held if key != "states" and held[key] != known.get(key)]
                faults += [f"{name} holds another trial: {key}" for key in wrong]
            elif name not in whole:
                faults += [] if ".normscope-" in name or ".images." in name else [f"new: {name}"]
            elif held != whole[name] and not self._older(case, name, held):
                faults.append(f"{name} is another")
        return faults

    def different(self, case: Case, place: Path) -> list[str]:
        """How what a run left in the end differs from what an undisturbed one left."""
        whole = self.of(case).contents
        held = contents(place)
        names = sorted(held.keys() ^ whole.keys())
        return [
            *(f"{name} is there in one alone" for name in names),
            *(f"{n} differs: {_where(held[n], whole[n])}" for n in held.keys() & whole.keys()
              if held[n] != whole[n]),
            *(f"left over: {name}" for name in leftovers(place)),
        ]  # fmt: skip

    def finish(self, case: Case, place: Path) -> list[str]:
        """Run a command to its end, or both where two share a study.

        Returns:
            What is at fault.
        """
        faults = []
        for who in range(1 + case.shared):
            run = Run(case, place, who, warm=self.warm)
            faults += run.wait()
            if run.process.returncode:
                faults.append(f"status {run.process.returncode} undisturbed: {run.said()[-2000:]}")
        return faults

    def _older(self, case: Case, name: str, held: Any) -> bool:
        """Whether it is the file that was there before the command."""
        if case.copied is None:
            return False
        before = contents(self.inputs)
        return before.get(f"{case.copied}/{name.partition('/')[2]}") == held


def _where(one: Any, other: Any) -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [k for k in one.keys() | other.keys() if one.get(k) != other.get(k)]
        return f"{keys[0]}: {_where(one.get(keys[0]), other.get(keys[0]))}"
    if isinstance(one, bytes) and isinstance(other, bytes):
        same = next((k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
        at = max(same - 80, 0)
        one, other = one[at:], other[at:]
    return f"{one!r:.300} instead of {other!r:.300}"


def _bytes(place: Path) -> int:
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
