"""Run by test_on_ray.py in a process of its own: statistics on a node's server, not a cluster's.

Prints its address and what is said of it, as JSON.
"""

from __future__ import annotations

import json
import sys

import ray
from ray.cluster_utils import Cluster

from normscope.errors import NormscopeError
from normscope.statistics.stats import stats

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "node_ip_address": "127.0.0.1"}


def main() -> None:
    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    try:
        ray.init(address=cluster.address, log_to_driver=False)
        port = ray.nodes()[0]["NodeManagerPort"]
        ray.shutdown()
        address = f"127.0.0.1:{port}"
        try:
            stats("digits", ray=address)
        except NormscopeError as error:
            sys.stdout.write(json.dumps([address, str(error)]))
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
