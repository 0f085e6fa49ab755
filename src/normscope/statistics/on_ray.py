"""Shards reduced by the workers of a Ray cluster."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError, WorkFailed
from normscope.quiet import without_warnings
from normscope.ray_connection import ray_cluster
from normscope.statistics.reduce import AHEAD, reduce_shard

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from normscope.images.shards import Shard
    from normscope.statistics.collected import Collected
    from normscope.statistics.reading import Reading

RETRIES = 20
"""A shard whose worker died is done again; one that kills so many workers is at fault itself."""


def reduce_on_ray(
    shards: Iterable[Shard], reading: Reading, address: str
) -> Generator[tuple[Shard, Collected]]:
    """Reduce shards as tasks of a Ray cluster, which must see the same files.

    Args:
        shards: Taken from as tasks finish.
        reading: How to read images.
        address: The cluster's address, or ``auto``.

    Yields:
        Each shard with its sums, as they are done.

    Raises:
        WorkFailed: If a shard's workers keep dying.
    """
    with ray_cluster(address) as ray:
        try:
            yield from _in_flight(ray, shards, reading)
        except ray.exceptions.RayError as error:
            raise WorkFailed(
                f"every shard must be reduced by some worker, got {type(error).__name__} after "
                f"{RETRIES} more attempts. Look at the cluster's logs, then run the command again."
            ) from None


def _in_flight(
    ray, shards: Iterable[Shard], reading: Reading
) -> Generator[tuple[Shard, Collected]]:
    task = ray.remote(num_cpus=1, max_retries=RETRIES)(_reduce_on_worker)
    waiting = iter(shards)
    in_flight = {}
    while True:
        most = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        while len(in_flight) < most and (shard := next(waiting, None)):
            in_flight[task.remote(shard, reading)] = shard
        if not in_flight:
            return
        done, _ = ray.wait(list(in_flight), num_returns=1)
        for reference in done:
            yield in_flight.pop(reference), ray.get(reference)


def _reduce_on_worker(shard: Shard, reading: Reading) -> Collected:
    import platform

    import cv2

    # Without the extra train there is none whose threads could crowd the others'.
    with contextlib.suppress(ModuleNotFoundError):
        import torch

        torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with without_warnings():
        collected = reduce_shard(shard, reading)
    for _, path, reason in collected.skipped:
        if reason == "No such file or directory":
            # The driver has just listed it, so this node sees other disks.
            raise NormscopeError(
                f"every node must see the images under the same path, got no {path} on "
                f"{platform.node()}. Put them on a shared disk."
            )
    return collected
