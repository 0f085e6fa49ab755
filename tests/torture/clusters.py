"""A scan on three Ray nodes, one of which is slow, lost, or cut off from the network.

Run as a program, since Ray's own processes outlive a test that fails: takes a folder with the
inputs, one for the study, and what is to happen, and prints what happened as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SLOW_SECONDS, CUT_SECONDS = 6, 60
"""Shorter and longer than Ray waits for a node that says nothing, which is about half a minute."""

MEMORY = 80 * 2**20
OPTIONS = {"mean": "0,0.5", "std": "0.1:1:4:log", "seeds": 2, "epochs": 40}
AT = 4
"""Finished trials, after which it happens."""


def scan_on(address: str, inputs: Path, out: Path, happens: Callable[[], None]) -> dict[str, Any]:
    """Scan on a cluster.

    Args:
        address: The cluster's.
        inputs: What ``make_inputs`` wrote.
        out: The study's folder.
        happens: Called once, in the midst.

    Returns:
        What was warned of, and how many trials there are.
    """
    from normscope.studies.options import Place, ScanOptions
    from normscope.studies.scan import run_scan
    from normscope.studies.scan_planning import plan_scan

    left = [happens]

    def happen(done: int, _total: int) -> None:
        if done >= AT and left:
            threading.Thread(target=left.pop(), daemon=True).start()

    plan = plan_scan(ScanOptions(source=str(inputs / "photos"), out=out, **OPTIONS))
    began = time.monotonic()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        study = run_scan(plan, Place(ray=address), happen)
    said = [str(one.message) for one in caught if "Ray cluster" in str(one.message)]
    seconds = time.monotonic() - began
    return {"said": said, "trials": len(study.every_trial()), "seconds": seconds}


def slow(inputs: Path, out: Path, seconds: float) -> dict[str, Any]:
    """Stop every process of one node for some seconds: slow, or taken for dead."""
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # so that 127.0.0.1 is an address
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": MEMORY, "node_ip_address": "127.0.0.1"}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "num_cpus": 0})
    try:
        nodes = [cluster.add_node(**node) for _ in range(2)]
        cluster.wait_for_nodes()
        first = nodes[0].all_processes["raylet"][0].process.pid

        def happens() -> None:
            pids = [first, *_below(first)]
            for number in (signal.SIGSTOP, signal.SIGCONT):
                for pid in pids:
                    with suppress(ProcessLookupError):
                        os.kill(pid, number)
                time.sleep(seconds if number == signal.SIGSTOP else 0)

        return scan_on(cluster.address, inputs, out, happens)
    finally:
        cluster.shutdown()


NETWORK = """
ip link set lo up
ip link add cut type veth peer name other
ip link set other netns {pid}
ip addr add 10.77.0.1/24 dev cut && ip link set cut up
nsenter -t {pid} -n ip addr add 10.77.0.2/24 dev other
nsenter -t {pid} -n ip link set other up
nsenter -t {pid} -n ip link set lo up
"""


def cut(inputs: Path, out: Path, seconds: float) -> dict[str, Any]:
    """Cut the network between two nodes for some seconds; called in a namespace of its own."""
    ray = [
        sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", "--block",
        "--num-cpus=1", "--disable-usage-stats", f"--object-store-memory={MEMORY}",
    ]  # fmt: skip
    head = ["--head", "--port=6379", "--node-ip-address=10.77.0.1", "--include-dashboard=false"]
    worker = ["--address=10.77.0.1:6379", "--node-ip-address=10.77.0.2"]
    processes = [subprocess.Popen(["unshare", "-n", "sleep", "600"])]
    other = processes[0].pid
    try:
        time.sleep(1)
        subprocess.run(["sh", "-ec", NETWORK.format(pid=other)], check=True)
        # Each in a session of its own, so that no other cluster is ended with them.
        for call in ([*ray, *head], ["nsenter", "-t", str(other), "-n", *ray, *worker]):
            processes.append(
                subprocess.Popen(call, stdout=subprocess.DEVNULL, start_new_session=True)
            )
            time.sleep(25)

        def happens() -> None:
            subprocess.run(["ip", "link", "set", "cut", "down"], check=True)
            time.sleep(seconds)
            subprocess.run(["ip", "link", "set", "cut", "up"], check=True)

        return scan_on("10.77.0.1:6379", inputs, out, happens)
    finally:
        for process in reversed(processes):
            left = _below(process.pid)
            process.terminate()
            process.wait()
            time.sleep(2)
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _below(pid: int) -> list[int]:
    """A process's children, and theirs."""
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found + [pid for child in found for pid in _below(child)]


WAYS: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "slow": lambda inputs, out: slow(inputs, out, SLOW_SECONDS),
    "stopped": lambda inputs, out: slow(inputs, out, CUT_SECONDS),
    "cut for a moment": lambda inputs, out: cut(inputs, out, SLOW_SECONDS),
    "cut": lambda inputs, out: cut(inputs, out, CUT_SECONDS),
}


if __name__ == "__main__":
    # A token that somebody has made here would be asked for by the nodes, and sent by nobody.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    happened = WAYS[sys.argv[3]](Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.write(json.dumps(happened) + "\n")
