from __future__ import annotations

import pytest

from normscope.machine import free_memory as module
from normscope.machine.free_memory import free_memory

MEMINFO = "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable:  600 kB\nSwapFree: {} kB\n"


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A machine's files with 600 KiB free."""

    def write(files, swap=0):
        for name, text in {"proc/meminfo": MEMINFO.format(swap), **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    monkeypatch.setattr(module, "SYSTEM", tmp_path)
    return write


def test_this_machine_has_some():
    free = free_memory()
    assert free is None or free > 0


def test_a_machine_without_limits(system):
    system({"proc/self/cgroup": "0::/\n"}, swap=50)
    assert free_memory() == 650 * 1024


def test_nothing_is_said_where_the_system_says_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SYSTEM", tmp_path)
    assert free_memory() is None


def test_the_limit_of_any_group_above_counts_and_cached_files_do_not(system):
    system(
        {
            "proc/self/cgroup": "0::/service/training\n",
            "sys/fs/cgroup/service/memory.max": "100000",
            "sys/fs/cgroup/service/memory.current": "80000",
            "sys/fs/cgroup/service/memory.stat": "anon 30000\nactive_file 20000\n"
            "inactive_file 10000\n",
            "sys/fs/cgroup/service/training/memory.max": "max",
            "sys/fs/cgroup/service/training/memory.current": "5",
            "sys/fs/cgroup/service/training/memory.stat": "anon 5\n",
        }
    )
    assert free_memory() == 50000


def test_the_limit_of_an_older_group_in_a_container(system):
    system(
        {
            "proc/self/cgroup": "4:cpu,memory:/docker/abc\n1:cpuset:/docker/abc\n0::/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "100000\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "90000\n",
            "sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 15000\n",
        }
    )
    assert free_memory() == 25000
