"""``python -m tests.torture [SEED] [KILLS] [PART...]``: kills and races, and every fault."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.postgresql import server_programs
from tests.torture import clusters, places, races, servers
from tests.torture.cases import CASES
from tests.torture.contents import trials_in
from tests.torture.inputs import make_inputs
from tests.torture.kills import killed
from tests.torture.references import References

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS = ("kills", "races", "disks", "clock", "postgresql", "ray")


class Torture:
    """All that is done with one seed.

    Args:
        seed: Decides everything but the moments, which are those of the machine.
        folder: Where it is done; what is at fault stays there.
    """

    def __init__(self, seed: str, folder: Path) -> None:
        self.seed, self.folder, self.began = seed, folder, time.monotonic()
        make_inputs(folder / "in")
        self.references = References(folder, folder / "in")
        self.made: Counter[str] = Counter()
        self.faults, self.not_run = 0, []

    def note(self, own: str, done: list[str], faults: list[str]) -> None:
        """Count and print what was done."""
        self.made.update(line.partition(" to ")[0] for line in done)
        print(f"{time.monotonic() - self.began:6.0f} s  {own}: {'; '.join(done)}", flush=True)
        for fault in faults:
            self.faults += 1
            print(f"FAULT in {self.folder / own}: {fault}\n", flush=True)

    def kills(self, count: int) -> None:
        for number in range(10 * count):
            if self.made.total() >= count:
                return
            own = f"{self.seed}-{number}"
            self.note(own, *killed(random.Random(own), self.references, self.folder / own))

    def races(self) -> None:
        for case in CASES:
            self._each("race", case.name, lambda rng, at, case=case: races.raced(
                rng, self.references, at, case
            ))  # fmt: skip

    def disks(self) -> None:
        if self._refused("disk", "disks that are full or may only be read"):
            return
        for case in CASES:
            for what, call in {
                "full disk": lambda rng, at, case=case: places.full_disk(
                    rng, self.references, at, case
                ),
                "read-only disk": lambda _, at, case=case: places.read_only(
                    self.references, at, case, as_nobody=False
                ),
                "read-only folder": lambda _, at, case=case: places.read_only(
                    self.references, at, case, as_nobody=True
                ),
            }.items():
                self._each(what, case.name, call)

    def clock(self) -> None:
        if self._refused("clock", "clocks that go back"):
            return
        warm = places.with_slow_clock(self.folder)
        for case in CASES:
            self._each("clock set back", case.name, lambda rng, at, case=case: places.clock_back(
                rng, self.references, warm, at, case
            ))  # fmt: skip

    def postgresql(self) -> None:
        if server_programs() is None:
            self.not_run.append("PostgreSQL: it is not installed, no initdb was found")
            return
        rng, place = random.Random(f"{self.seed}-postgresql"), self.folder / "postgresql"
        self.note("postgresql", *servers.interrupted(rng, self.references, place))

    def ray(self) -> None:
        whole = None
        for way in clusters.WAYS:
            needs_root = way.startswith("cut")
            if needs_root and (os.geteuid() or not shutil.which("ip")):
                self.not_run.append(f"Ray, {way}: to cut a network one must be root, with ip")
                continue
            out = self.folder / f"ray {way}" / "study"  # whose name its trials carry
            call = [sys.executable, "-W", "ignore", "-m", "tests.torture.clusters",
                    str(self.folder / "in"), str(out), way]  # fmt: skip
            done = subprocess.run(
                ["unshare", "-n", *call] if needs_root else call,
                capture_output=True, text=True,
            )  # fmt: skip
            faults = [f"status {done.returncode}: {done.stderr[-3000:]}"] * bool(done.returncode)
            said = {} if faults else json.loads(done.stdout.splitlines()[-1])
            trials = trials_in(out) if out.exists() else {}
            whole = whole or trials
            faults += ["other trials than in the first run"] * (trials != whole)
            self.note(f"ray {way}", [f"Ray {way}: {said}"], faults)

    def _each(self, what: str, name: str, call: Callable[[random.Random, Path], list[str]]) -> None:
        own = f"{self.seed}-{what}-{name}".replace(" ", "-")
        place = self.folder / own
        faults = call(random.Random(own), place)
        self.note(own, [what], faults)
        if not faults:
            shutil.rmtree(place)

    def _refused(self, need: str, what: str) -> bool:
        why = places.refusals().get(need)
        if why:
            self.not_run.append(f"{what}: {why}")
        return why is not None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("seed", nargs="?", default=str(time.time_ns()), help="decides what is done")
    parser.add_argument("kills", nargs="?", type=int, default=100, help="how many; 100 by default")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"{', '.join(PARTS)}; all if none")
    given = parser.parse_args()
    if not set(given.parts) <= {*PARTS}:
        parser.error(f"a part must be one of {', '.join(PARTS)}, got {' '.join(given.parts)}")
    # A shell's background jobs ignore Ctrl-C, and so would all that is begun here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torture = Torture(given.seed, Path(tempfile.mkdtemp(prefix="normscope-torture-")))
    for part in given.parts or PARTS:
        torture.kills(given.kills) if part == "kills" else getattr(torture, part)()
    for what, times in sorted(torture.made.items()):
        print(f"{times:4} {what}")
    for sentence in torture.not_run:
        print(f"not run: {sentence}")
    seconds = time.monotonic() - torture.began
    done = f"{torture.faults} faults, {len(torture.not_run)} not run"
    print(f"seed {given.seed}, {seconds:.0f} s: {done}")
    return 1 if torture.faults else 0


if __name__ == "__main__":
    sys.exit(main())
