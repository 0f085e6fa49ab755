"""``normscope.stats``: everything about a collection of images in one pass."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.images.choosing import Choice
from normscope.images.containers.opening import to_be_named
from normscope.images.decoded import Skipped, check_all_read
from normscope.images.formats import passed_over
from normscope.images.scale import check_scale
from normscope.images.size import as_resize
from normscope.images.stream import open_stream
from normscope.normalization import Normalization
from normscope.options import by_keywords, callback
from normscope.progress import is_interactive, watched
from normscope.statistics.batches import Batches
from normscope.statistics.checkpoint import Checkpoint
from normscope.statistics.clipping import Clip
from normscope.statistics.collected import Collected
from normscope.statistics.group_sums import GroupSums
from normscope.statistics.groups import Groups
from normscope.statistics.local import reduce_locally
from normscope.statistics.masks import Masks
from normscope.statistics.names import Roots
from normscope.statistics.options import StatsOptions
from normscope.statistics.reading import OUTLIERS, Reading
from normscope.statistics.summary import summarize_collection
from normscope.writing import write_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from normscope.images.collection import Stream
    from normscope.images.shards import Shard
    from normscope.statistics.collection_statistics import CollectionStatistics

MOST_WORKERS = 1024


@dataclass(frozen=True, kw_only=True)
class Measuring(StatsOptions):
    """What is measured, and what is to be told of it."""

    on_progress: Callable[[int, float | None], None] | None = callback(
        "Called with how many images are done, and with the share of the whole if that is known; "
        "by default a bar where you work interactively."
    )


@by_keywords(Measuring)
def stats(measuring: Measuring) -> CollectionStatistics:
    """The exact statistics of any collection of images.

    The result is the same to the last bit for any number of workers, here or on Ray. The source may
    also be a path, an array or tensor of images ``(N, C, H, W)`` or ``(N, H, W, C)`` or of one
    image (of Dask, Zarr or xarray too; ``layout`` names the axes), a Pillow image, a
    ``datasets.Dataset``, or an iterable of images, paths or bytes.

    Returns:
        The statistics, in units of pixel value over ``scale``, with a ``normalization`` to use at
        once.

    Raises:
        NormscopeError: If an option is wrong, or the images cannot be summed together.
        WorkFailed: If an image could not be read and ``strict`` is set.

    Example:
        >>> import numpy as np
        >>> stats(np.array([[[0, 0, 255, 255]]], np.uint8)).normalization
        Normalization.parse('0.5/0.5')
    """
    source, split, by = measuring.source, measuring.split, measuring.by
    reading = Reading(
        measuring.channels, measuring.nodata, as_resize(measuring.resize), measuring.crop,
        measuring.batch_size, measuring.alpha, measuring.above,
        masks=None
        if measuring.mask is None
        else Masks(str(measuring.mask), Roots.of(source, "--mask")),
        groups=None if by is None else Groups.of(by, source, split),
        outliers=OUTLIERS if measuring.outliers is None else measuring.outliers,
    )  # fmt: skip
    constants = list(measuring.explain)
    for text in constants:
        Normalization.parse(text)
    _check(measuring.scale, measuring.workers)
    clip = None if measuring.clip is None else Clip.parse(measuring.clip)
    choice = Choice(measuring.select, measuring.bands)
    root = None if measuring.root is None else Path(measuring.root)
    stream = open_stream(source, split, root, measuring.layout, choice)
    out = None if measuring.out is None else Path(measuring.out)
    checkpoint = None if out is None else Checkpoint(out / "shards", reading)
    collected = Collected(
        batches=None if reading.batch_size is None else Batches(reading.batch_size),
        groups=None if by is None else GroupSums(),
    )

    def take(shard: Shard, part: Collected) -> None:
        collected.merge(part)
        progress.update(shard)

    def missing() -> Iterator[Shard]:
        for shard in stream.shards():
            found = None if checkpoint is None else checkpoint.load(shard)
            if found is None:
                yield shard
            else:
                take(shard, found)

    with (
        _telling(measuring.on_progress) as tell,
        closing(_reduced(missing(), reading, measuring.workers, measuring.ray)) as reduced,
    ):
        progress = _Progress(stream, tell)
        for shard, part in reduced:
            if checkpoint is not None:
                checkpoint.save(shard, part)
            take(shard, part)
    collected.skipped.sort()
    _check_images(collected, stream, measuring.strict)
    result = summarize_collection(collected, stream, reading, measuring.scale, constants, clip)
    if out is not None:
        write_numbers(out / "stats.json", result.to_json())
    return result


@contextmanager
def _telling(
    given: Callable[[int, float | None], None] | None,
) -> Iterator[Callable[[int, float | None], None] | None]:
    if given is not None or not is_interactive():
        yield given  # with None nothing is counted beforehand
        return
    with watched(None, "images") as update:
        yield lambda images, share: update(images, round(images / share) if share else None)


class _Progress:
    def __init__(self, stream: Stream, tell: Callable[[int, float | None], None] | None) -> None:
        self.tell = tell
        self.total = None if tell is None else stream.total()
        self.images, self.units = 0, 0.0

    def update(self, shard: Shard) -> None:
        self.images += shard.count
        self.units += shard.units
        if self.tell is not None:
            self.tell(self.images, self.units / self.total if self.total else None)


def _reduced(
    shards: Iterator[Shard], reading: Reading, workers: int | None, ray: str | None
) -> Generator[tuple[Shard, Collected]]:
    if ray is None:
        return reduce_locally(shards, reading, workers)
    from normscope.statistics.on_ray import reduce_on_ray

    return reduce_on_ray(shards, reading, ray)


def _check(scale: float | None, workers: int | None) -> None:
    check_scale(scale)
    if workers is not None and not 1 <= workers <= MOST_WORKERS:
        raise NormscopeError(
            f"--workers must be from 1 to {MOST_WORKERS}, got {workers}. "
            "Leave it out for one per core."
        )


def _check_images(collected: Collected, stream: Stream, strict: bool) -> None:
    name, skipped = stream.name, collected.skipped
    first = f"{skipped[0][1]}: {skipped[0][2]}" if skipped else ""
    if not collected.kinds:
        met = f"{len(skipped)} that cannot be read, the first {first}" if skipped else "none"
        said = [passed_over(stream.passed), to_be_named(stream.passed) or "Check the source."]
        raise NormscopeError(
            f"{name} must hold at least one readable image, got {met}. "
            + " ".join(filter(None, said))
        )
    check_all_read(name, [Skipped(Path(path), reason) for _, path, reason in skipped], strict)
