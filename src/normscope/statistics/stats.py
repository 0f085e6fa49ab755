"""``normscope.stats``: everything about a collection of images in one pass."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError, WorkFailed
from normscope.images.choosing import Choice
from normscope.images.scale import check_scale
from normscope.images.size import as_resize
from normscope.images.stream import open_stream
from normscope.keywords import typed
from normscope.normalization import Normalization
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
from normscope.statistics.reading import OUTLIERS, Reading
from normscope.statistics.summary import summarize_collection
from normscope.writing import write_result

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from normscope.images.collection import Stream
    from normscope.images.shards import Shard
    from normscope.statistics.collection_statistics import CollectionStatistics

MOST_WORKERS = 1024


@typed
def stats(
    source: Any,
    *,
    split: str | None = None,
    batch_size: int | None = None,
    explain: str | Sequence[str] = (),
    channels: str | None = None,
    nodata: float | None = None,
    scale: float | None = None,
    clip: str | None = None,
    resize: int | str | tuple[int, int] | None = None,
    crop: int | None = None,
    alpha: str | None = None,
    layout: str | None = None,
    select: str | None = None,
    bands: str | None = None,
    above: float | None = None,
    mask: str | Path | None = None,
    by: str | None = None,
    outliers: int | None = None,
    workers: int | None = None,
    ray: str | None = None,
    out: str | Path | None = None,
    root: Path | None = None,
    strict: bool = False,
    on_progress: Callable[[int, float | None], None] | None = None,
) -> CollectionStatistics:
    """The exact statistics of any collection of images.

    The result is the same to the last bit for any number of workers, here or on Ray.

    Args:
        source: A named source, a path or list of paths, an array ``(N, C, H, W)`` (of Dask, Zarr
            or xarray too), a tensor, a Dataset or an iterable of images.
        split: ``train``, ``val``, ``test`` or ``all``; train where there is one, else all.
        batch_size: Also average over batches of so many files, in file order.
        explain: Constants (``MEAN/STD`` or a preset's name) whose origin is asked for.
        channels: ``rgb`` or ``grey`` to convert every image.
        nodata: The value of pixels that do not count.
        scale: What brings pixels to [0, 1]; the type's maximum, or 1 for floats.
        clip: ``LOW:HIGH``, each a value as stored or a percentile such as ``0.5%``, or ``window``
            for that of DICOM headers: the mean and std after such a clip are given too, as
            ``clip``.
        resize: Length in pixels that each image's shorter side is brought to, or ``(height,
            width)``.
        crop: Side in pixels of the square around the centre that is kept.
        alpha: ``keep`` to count an alpha channel as a channel, ``mask`` to leave out pixels where
            it is 0, ``drop`` to ignore it; by default what the file's format means.
        layout: What the axes of an array are, such as ``HWC``; guessed, and said, if None.
        select: Which images are taken: a pattern of their names such as ``*_rgb.png``, or a
            WebDataset key such as ``jpg``.
        bands: Names of bands with commas; files whose paths differ by these names alone are one
            image.
        above: Only pixels of a greater value count, in the pixels' own units, channel by channel.
        mask: A folder with a mask for each image, of the same name relative to the source (or with
            another suffix) and the same size; pixels where it is 0 do not count.
        by: ``folder`` to compare the first folders below the source, ``series`` to compare DICOM
            series, or ``FILE.csv:COLUMN``, a table whose first column has paths relative to the
            source.
        outliers: At most so many images that are unlike the rest are listed; 10 if None.
        workers: Threads; one for each core if None.
        ray: The address of a Ray cluster to work on instead.
        out: A folder where finished shards are kept, from which an interrupted run goes on.
        root: Where the named data sets are looked for first.
        strict: Whether an image that cannot be read is an error.
        on_progress: Told after each shard how many images are done, and the share of the whole
            if that is known; by default a bar where you work interactively.

    Returns:
        The statistics, with a ``normalization`` to use at once.

    Raises:
        NormscopeError: If an option is wrong, or the images cannot be summed together.
        WorkFailed: If no image could be read, or one could not and ``strict`` is set.

    Example:
        >>> import numpy as np
        >>> stats(np.array([[[0, 0, 255, 255]]], np.uint8)).normalization
        Normalization.parse('0.5/0.5')
    """
    reading = Reading(
        channels, nodata, as_resize(resize), crop, batch_size, alpha, above,
        masks=None if mask is None else Masks(str(mask), Roots.of(source, "--mask")),
        groups=None if by is None else Groups.of(by, source, split),
        outliers=OUTLIERS if outliers is None else outliers,
    )  # fmt: skip
    constants = [explain] if isinstance(explain, str) else list(explain)
    for text in constants:
        Normalization.parse(text)
    _check(scale, workers)
    clipped = None if clip is None else Clip.parse(clip)
    stream = open_stream(source, split, root, layout, Choice(select, bands))
    checkpoint = None if out is None else Checkpoint(Path(out) / "shards", reading)
    collected = Collected(
        batches=None if batch_size is None else Batches(batch_size),
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
        _telling(on_progress) as tell,
        closing(_reduced(missing(), reading, workers, ray)) as reduced,
    ):
        progress = _Progress(stream, tell)
        for shard, part in reduced:
            if checkpoint is not None:
                checkpoint.save(shard, part)
            take(shard, part)
    collected.skipped.sort()
    _check_images(collected, stream.name, strict)
    result = summarize_collection(collected, stream, reading, scale, constants, clipped)
    if out is not None:
        write_result(Path(out) / "stats.json", json.dumps(result.to_json(), indent=2) + "\n")
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


def _check_images(collected: Collected, name: str, strict: bool) -> None:
    skipped = collected.skipped
    first = f"{skipped[0][1]}: {skipped[0][2]}" if skipped else ""
    if not collected.kinds:
        met = f"{len(skipped)} that cannot be read, the first {first}" if skipped else "none"
        raise WorkFailed(
            f"{name} must hold at least one readable image, got {met}. Check the source."
        )
    if strict and skipped:
        raise WorkFailed(
            f"every image must be readable with --strict, got {len(skipped)} that cannot be, "
            f"the first {first}. Mend or remove them, or leave out --strict."
        )
