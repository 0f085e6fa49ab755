"""Peak memory of one trial and of a scan with its workers, from the kernel's own account.

``python -m benchmarks.memory`` with ``NORMSCOPE_DATA`` set runs one LeNet trial on MNIST, and a
scan of four with one worker and with two, as commands, and samples the proportional set size (PSS)
of the process and all its descendants: pages that several share are counted once. Linux only.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLE_SECONDS = 0.1
COMMAND = [sys.executable, "-m", "normscope"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default="mnist")
    parser.add_argument("--epochs", default="1")
    parser.add_argument("--workers", default="2")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trial = ["train", options.source, "--epochs", options.epochs]
        scan = [
            "scan", options.source, "--mean", "0,0.5", "--std", "0.3,1", "--seeds", "1",
            "--epochs", options.epochs, "--workers",
        ]  # fmt: skip
        scans = {n: [*scan, n, "--out", f"{folder}/{n}"] for n in ("1", options.workers)}
        runs = {"one trial": trial} | {f"a scan, --workers {n}": scans[n] for n in scans}
        for name, words in runs.items():
            together, largest, count = peak([*COMMAND, *words])
            print(f"{name}: {together:.0f} MB together in at most {count} processes, ", end="")
            print(f"{largest:.0f} MB the largest")


def peak(command: list[str]) -> tuple[float, float, int]:
    """Run a command and watch it.

    Args:
        command: Its words.

    Returns:
        The most megabytes of all its processes together, of one of them, and the most processes.
    """
    together, largest, count = 0.0, 0.0, 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
        while running.poll() is None:
            sizes = [pss(pid) for pid in descendants(running.pid)]
            together, largest = max(together, sum(sizes)), max(largest, *sizes)
            count = max(count, len(sizes))
            time.sleep(SAMPLE_SECONDS)
    if running.returncode:
        raise SystemExit(f"{' '.join(command)} failed with status {running.returncode}")
    return together, largest, count


def descendants(root: int) -> list[int]:
    """A process with its children and theirs.

    Args:
        root: Its number.

    Returns:
        Their numbers, the root's first.
    """
    found = [root]
    for pid in found:
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        except OSError:
            continue  # it has ended meanwhile
        found += map(int, children.split())
    return found


def pss(pid: int) -> float:
    """What a process holds, its share of shared pages included.

    Args:
        pid: Its number.

    Returns:
        Megabytes; 0 if it has ended.
    """
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    line = next((line for line in text.splitlines() if line.startswith("Pss:")), "Pss: 0 kB")
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
