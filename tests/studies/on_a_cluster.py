"""Run by test_on_ray.py in a process of its own: studies on three Ray nodes, one of them killed.

Takes a folder for the studies, prints what happened as JSON.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import optuna
import ray
from ray.cluster_utils import Cluster

from normscope.errors import NormscopeError
from normscope.studies.options import Place, ScanOptions, SearchOptions
from normscope.studies.scan import run_scan
from normscope.studies.scan_planning import plan_scan
from normscope.studies.search import plan_search, run_search

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "node_ip_address": "127.0.0.1"}


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("always")
    folder = Path(sys.argv[1])
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "num_cpus": 0})
    try:
        nodes = [cluster.add_node(**NODE) for _ in range(3)]
        cluster.wait_for_nodes()
        said = {"died": []}

        def kill_one_at(least: int):
            left = [nodes.pop()]

            def kill(done: int, _total: int) -> None:
                if done >= least and left:
                    cluster.remove_node(left.pop(), allow_graceful=False)
                    said["died"].append(done)

            return kill

        scan = plan_scan(
            ScanOptions(
                mean="0,0.5", std="0.1:1:3:log", seeds=2, epochs=1, train_images=100,
                out=folder / "scan",
            )
        )  # fmt: skip
        with warnings.catch_warnings(record=True) as caught:
            run_scan(scan, Place(ray=cluster.address), kill_one_at(3))
        said["warnings"] = [str(one.message) for one in caught if "Ray" in str(one.message)]
        options = SearchOptions(
            over=["mean=-1:2", "std=0.05:1:log"], trials=10, replicates=1, epochs=1,
            train_images=100, sampler="random", out=folder / "search",
        )  # fmt: skip
        run_search(plan_search(options), Place(ray=cluster.address), kill_one_at(4))
        halving = SearchOptions(
            over=["mean=-1:2"], trials=6, replicates=0, epochs=4, train_images=100,
            sampler="random", halving=True, out=folder / "halving",
        )  # fmt: skip
        run_search(plan_search(halving), Place(ray=cluster.address))
        said["connected_after"] = ray.is_initialized()
        try:
            run_scan(
                plan_scan(ScanOptions(threads=4, out=folder / "no")), Place(ray=cluster.address)
            )
        except NormscopeError as error:
            said["no_room"] = str(error)
        sys.stdout.write(json.dumps(said))
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
