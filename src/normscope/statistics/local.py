"""Shards reduced by threads of this process."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from itertools import chain, islice
from typing import TYPE_CHECKING

from normscope.machine.cores import available_cores, threads
from normscope.quiet import without_warnings
from normscope.statistics.reduce import AHEAD, reduce_shard

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from normscope.images.shards import Shard
    from normscope.statistics.collected import Collected
    from normscope.statistics.reading import Reading


def reduce_locally(
    shards: Iterable[Shard], reading: Reading, workers: int | None
) -> Generator[tuple[Shard, Collected]]:
    """Reduce shards in threads.

    Threads rather than processes, because decoding, resizing and counting release Python's lock,
    so that nothing has to be imported again, copied between processes, or ended when this process
    is killed. Beyond one machine's cores there is Ray.

    Args:
        shards: Taken from as workers become free.
        reading: How to read images.
        workers: How many threads; the cores at this process's disposal if None.

    Yields:
        Each shard with its sums, as they are done.
    """
    waiting = iter(shards)
    first = list(islice(waiting, 2))
    # One shard needs one thread; to count the cores would take longer than to read it.
    count = workers or (available_cores() if len(first) > 1 else 1)
    waiting = chain(first, waiting)
    stop = threading.Event()
    in_flight: dict[Future[Collected], Shard] = {}
    with _quiet_single_threads(reading), ThreadPoolExecutor(count, "normscope") as pool:
        try:
            while True:
                while len(in_flight) < count * AHEAD and (shard := next(waiting, None)):
                    in_flight[pool.submit(reduce_shard, shard, reading, stop.is_set)] = shard
                if not in_flight:
                    return
                for future in wait(in_flight, return_when=FIRST_COMPLETED).done:
                    yield in_flight.pop(future), future.result()
        finally:
            # Reached on an error and on Ctrl-C too: workers give up at their next image.
            stop.set()
            pool.shutdown(cancel_futures=True)


@contextmanager
def _quiet_single_threads(reading: Reading) -> Iterator[None]:
    """One thread for each worker, and no warnings of odd metadata, which changes no pixel."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        # Only resizing needs torch, which takes seconds to import.
        single = threads(1) if reading.resize is not None else nullcontext()
        with single, without_warnings():
            yield
    finally:
        cv2.setNumThreads(before)
