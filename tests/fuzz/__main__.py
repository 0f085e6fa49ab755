"""``python -m tests.fuzz [SEED] [CALLS]``: many calls, and every fault among them."""

from __future__ import annotations

import faulthandler
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.calling import fault_of
from tests.fuzz.seeds import make_seeds


def main() -> int:
    faulthandler.enable()
    seed = sys.argv[1] if len(sys.argv) > 1 else str(time.time_ns())
    calls = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    began, made, slowest = time.monotonic(), Counter(), (0.0, "")
    faults = 0
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        os.environ["NORMSCOPE_CACHE"] = str(place / "cache")
        make_seeds(place / "seeds")
        (place / "calls").mkdir()
        for number in range(calls):
            own = f"{seed}-{number}"
            # Known even where the process is killed by what it calls.
            (Path(tempfile.gettempdir()) / "normscope-fuzz-call").write_text(own)
            start = time.monotonic()
            arguments, fault = fault_of(own, place / "seeds", place / "calls")
            seconds = time.monotonic() - start
            slowest = max(slowest, (seconds, f"{own} {arguments}"))
            made[arguments[0]] += 1
            if fault:
                faults += 1
                print(f"{own}: normscope {arguments!r}\n{fault}\n", flush=True)
            if number % 500 == 499:
                print(f"{number + 1} calls, {time.monotonic() - began:.0f} s", flush=True)
    print(f"{calls} calls with seed {seed} in {time.monotonic() - began:.0f} s: {faults} faults")
    print(f"{dict(made)}; slowest {slowest[0]:.1f} s: {slowest[1]}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
