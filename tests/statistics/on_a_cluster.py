"""Run by test_on_ray.py in a process of its own: statistics on two Ray nodes, one killed midway.

Takes a folder of images, prints the statistics as JSON.
"""

from __future__ import annotations

import json
import sys

from ray.cluster_utils import Cluster

from normscope.statistics.stats import stats

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "node_ip_address": "127.0.0.1"}


def main() -> None:
    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    try:
        node = cluster.add_node(**NODE)
        cluster.wait_for_nodes()
        shares = []

        def kill(images, share):
            if not shares:
                cluster.remove_node(node, allow_graceful=False)
            shares.append(share)

        found = stats(sys.argv[1], batch_size=70, ray=cluster.address, on_progress=kill)
        killed_midway = 0 < shares[0] < 1
        sys.stdout.write(json.dumps({"found": found.to_json(), "killed_midway": killed_midway}))
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
