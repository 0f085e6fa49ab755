"""How much memory this process may still take before the system ends it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SYSTEM = Path("/")
"""Where the kernel's files are looked for."""

KIB = 1024

GROUPS = {
    "": ("sys/fs/cgroup", "memory.max", "memory.current"),
    "memory": ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
}
"""By what /proc/self/cgroup calls the hierarchy, of cgroups 2 and 1: where it is mounted, and the
files of a group's limit and of what it uses (kernel.org, ``admin-guide/cgroup-v2.rst`` and
``cgroup-v1/memory.rst``)."""

CACHED = {"active_file", "inactive_file", "total_active_file", "total_inactive_file"}
"""Files kept in memory, which are given up where memory is needed; totals include subgroups."""


def free_memory() -> int | None:
    """What this process may still take, with swap, by the machine and by every limit on its group.

    Returns:
        In bytes; None where the system does not say, as off Linux.
    """
    try:
        machine = _numbers(SYSTEM / "proc/meminfo")
        free = (machine["MemAvailable"] + machine["SwapFree"]) * KIB
    except (OSError, KeyError, ValueError):
        return None
    return min([free, *_left_by_limits(machine["SwapFree"] * KIB)])


def _left_by_limits(swap: int) -> Iterator[int]:
    for mount, group, limit, used in _groups():
        root = SYSTEM / mount
        folder = root / group
        # In a container the path may be of the host, of which only the group itself is seen.
        for each in (folder, *folder.parents):
            if each.is_relative_to(root):
                with suppress(OSError, ValueError):  # no limit, or no such group
                    most = int((each / limit).read_text())
                    in_use = int((each / used).read_text()) - _cached(each)
                    yield max(0, most - in_use) + swap


def _groups() -> Iterator[tuple[str, str, str, str]]:
    """The groups that this process is in: their mount and path there, and the names of files."""
    try:
        lines = (SYSTEM / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if controller in GROUPS:
                mount, limit, used = GROUPS[controller]
                yield mount, path.lstrip("/"), limit, used


def _cached(group: Path) -> int:
    found = _numbers(group / "memory.stat")
    totals = {key: value for key, value in found.items() if key in CACHED}
    whole = {key: value for key, value in totals.items() if key.startswith("total_")}
    return sum((whole or totals).values())


def _numbers(path: Path) -> dict[str, int]:
    """The first number of each line, by its first word."""
    lines = [line.replace(":", " ").split() for line in path.read_text().splitlines()]
    return {line[0]: int(line[1]) for line in lines if len(line) > 1 and line[1].isdigit()}
