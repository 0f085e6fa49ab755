"""From a shard of images to its sums, in the process that reads them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from normscope.images.pixels import Pixels, UnreadableImage
from normscope.images.windows import Windows
from normscope.statistics.batches import Batches
from normscope.statistics.collected import Collected
from normscope.statistics.group_sums import GroupSums
from normscope.statistics.histogram import count_colour_bins
from normscope.statistics.image_sums import (
    TWO_VALUED,
    ImageSums,
    is_counted_alone,
    sum_counts,
    sum_images,
)
from normscope.statistics.image_traits import ImageTraits
from normscope.statistics.kinds import Kind
from normscope.statistics.moments import Moments
from normscope.statistics.windowed import sum_windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from normscope.images.shards import Shard
    from normscope.statistics.reading import Reading

STACK_PIXELS = 16_384
"""Images of at most so many pixels are summed together with their neighbours of the same shape."""

STACK_IMAGES = 64

AHEAD = 2
"""Shards in flight per worker: enough that none waits, few enough to bound the memory."""


class Stopped(Exception):
    """The run was asked to end before the shard was done."""


def reduce_shard(
    shard: Shard, reading: Reading, stopped: Callable[[], bool] = lambda: False
) -> Collected:
    """Read a shard's images and sum them.

    Args:
        shard: What to read.
        reading: How to read it.
        stopped: Asked before each image whether to give up.

    Returns:
        The sums, and what was skipped.

    Raises:
        Stopped: If asked to give up.
    """
    work = _Work(reading, stopped)
    for position, name, item in shard.images():
        if stopped():
            raise Stopped
        work.take(position, name, item)
    return work.finish(shard.start, shard.count)


@cache
def _kind(channels: int, dtype: np.dtype) -> Kind:
    # NumPy works a type's name out anew each time, in as long as a small image takes to sum.
    return Kind(channels, dtype.name)


@dataclass
class _Kept:
    # The sums of one kind of image so far; image by image until the shard ends.
    pixels: int = 0
    histogram: np.ndarray | None = None
    moments: Moments | None = None
    sums: list[ImageSums] = field(default_factory=list)
    positions: list[np.ndarray] = field(default_factory=list)
    counts: list[np.ndarray] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)

    def count(self, position: int, image: np.ndarray) -> None:
        # What can be done for many images at once is left for the end of the shard.
        self.counts.append(count_colour_bins(image))
        self.counted.append(position)
        self.pixels += image.shape[1] * image.shape[2]

    def finish(self, dtype: str) -> tuple[Moments, ImageSums, np.ndarray]:
        if self.counts:
            self.keep(np.array(self.counted), *sum_counts(self.counts))
        moments = self.moments
        if self.histogram is not None:
            moments = Moments.from_histogram(self.histogram, dtype)
        assert moments is not None
        positions = np.concatenate(self.positions)
        order = np.argsort(positions, kind="stable")
        return moments, ImageSums.joined(self.sums).take(order), positions[order]

    def add(self, positions: np.ndarray, values: np.ndarray, valid: np.ndarray | None) -> None:
        self.keep(positions, *sum_images(values, valid))
        self.pixels += len(values) * values.shape[2] * values.shape[3]

    def keep(self, positions: np.ndarray, totals: np.ndarray | Moments, sums: ImageSums) -> None:
        if isinstance(totals, Moments):
            self.moments = totals if self.moments is None else self.moments.merge(totals)
        else:
            self.histogram = totals if self.histogram is None else self.histogram + totals
        self.sums.append(sums)
        self.positions.append(positions)


class _Work:
    def __init__(self, reading: Reading, stopped: Callable[[], bool]) -> None:
        self.reading, self.stopped = reading, stopped
        self.kept: dict[Kind, _Kept] = {}
        self.skipped: list[tuple[int, str, str]] = []
        self.windows: Counter[tuple[float, float]] = Counter()
        self.nan = 0
        self.noticed: Counter[str] = Counter()
        self.names: Counter[tuple[str, ...]] = Counter()
        self.most: Counter[int] = Counter()
        self.series: Counter[str] = Counter()
        self.stack: list[tuple[int, np.ndarray]] = []
        self.paths: dict[int, str] = {}
        self.series_at: dict[int, str] = {}

    def take(self, position: int, name: str, item: Pixels | Windows | UnreadableImage) -> None:
        masks = self.reading.masks
        if name:
            self.paths[position] = name
        try:
            if isinstance(item, Windows):
                if masks is None and self.reading.resize is None and self.reading.crop is None:
                    self._take_windows(position, item)
                    return
                item = item.whole()
            if isinstance(item, Pixels) and masks is not None:
                item = masks.applied(item, name)
        except UnreadableImage as error:
            item = error
        if isinstance(item, Pixels):
            most = self.reading.images_at_once(item.values)
            for start in range(0, len(item.values), most):
                # All that a file holds stands at the file's place.
                at = position if name else position + start
                self._take(at, name, item.images(start, start + most))
        else:
            self._take(position, name, item)

    def _take_windows(self, position: int, windows: Windows) -> None:
        whole = sum_windows(self._until_stopped(windows), self.reading)
        kept = self._kept_of(_kind(whole.channels, whole.dtype))
        kept.keep(np.array([position]), whole.totals, whole.of_image())
        kept.pixels += whole.pixels
        self.noticed.update(whole.noticed)
        self.nan += whole.nan
        if whole.names:
            self.names[whole.names] += 1
        if whole.most is not None:
            self.most[whole.most] += 1

    def _until_stopped(self, windows: Windows) -> Iterator[Pixels]:
        for part in windows.parts():
            if self.stopped():
                raise Stopped
            yield part

    def _take(self, position: int, name: str, item: Pixels | UnreadableImage) -> None:
        try:
            if isinstance(item, UnreadableImage):
                raise item
            pixels = self.reading.prepare(item)
        except UnreadableImage as error:
            if isinstance(item, Pixels) and len(item.values) > 1:
                # One bad image of an array must not cost the others.
                for index in range(len(item.values)):
                    self._take(position if name else position + index, name, item.image(index))
            else:
                self.skipped.append((position, name or f"image {position}", str(error)))
            return
        values, valid = pixels.values, pixels.valid
        self._note(position, item, len(values))
        self.nan += pixels.nan
        if is_counted_alone(values, valid):
            self._kept(values).count(position, values[0])
            return
        small = values.shape[2] * values.shape[3] <= STACK_PIXELS
        if len(values) > 1 or valid is not None or not small:
            positions = np.full(len(values), position)
            self._add(positions if name else positions + np.arange(len(values)), values, valid)
            return
        if self.stack and not self._fits(values):
            self._add_stack()
        self.stack.append((position, values))

    def _note(self, position: int, item: Pixels, images: int) -> None:
        self.noticed.update(dict.fromkeys(item.noticed, images))
        if item.names:
            self.names[item.names] += images
        if item.most is not None:
            self.most[item.most] += images
        if item.window is not None:
            self.windows[item.window] += images
        if item.series:
            self.series[item.series] += images
            self.series_at[position] = item.series

    def finish(self, start: int, count: int) -> Collected:
        self._add_stack()
        size = self.reading.batch_size
        batches = None if size is None else Batches(size)
        collected = Collected(
            skipped=self.skipped,
            batches=batches,
            noticed=self.noticed,
            groups=None if self.reading.groups is None else GroupSums(),
            names=self.names,
            most=self.most,
            series=self.series,
            windows=self.windows,
            nan=self.nan,
        )
        for kind, kept in self.kept.items():
            moments, sums, positions = kept.finish(kind.dtype)
            collected.add(kind, kept.pixels, moments, sums, positions)
            self._compare(collected, kind, sums, positions)
            dtype = np.dtype(kind.dtype)
            if dtype.kind == "u" and dtype.itemsize <= 2:
                two_valued = sums.two_valued(np.iinfo(dtype).max)
                collected.noticed += Counter({TWO_VALUED: two_valued})
        if collected.batches is not None:
            collected.batches.see(start, count)
        return collected

    def _compare(
        self, collected: Collected, kind: Kind, sums: ImageSums, positions: np.ndarray
    ) -> None:
        groups, paths = self.reading.groups, self.paths
        if collected.groups is not None and groups is not None:
            labels = [
                groups.group_of(paths.get(at, ""), self.series_at.get(at, ""))
                for at in positions.tolist()
            ]
            collected.groups.add(kind, labels, sums)
        if self.reading.outliers:
            collected.traits[kind] = ImageTraits.of(
                self.reading.outliers, kind, positions,
                lambda at: paths.get(at, f"image {at}"), sums,
            )  # fmt: skip

    def _fits(self, values: np.ndarray) -> bool:
        first = self.stack[0][1]
        alike = first.shape == values.shape and first.dtype == values.dtype
        return alike and len(self.stack) < STACK_IMAGES

    def _add_stack(self) -> None:
        if self.stack:
            positions, images = zip(*self.stack, strict=True)
            self.stack = []
            self._add(np.array(positions), np.concatenate(images), None)

    def _add(self, positions: np.ndarray, values: np.ndarray, valid: np.ndarray | None) -> None:
        self._kept(values).add(positions, values, valid)

    def _kept(self, values: np.ndarray) -> _Kept:
        return self._kept_of(_kind(values.shape[1], values.dtype))

    def _kept_of(self, kind: Kind) -> _Kept:
        kept = self.kept.get(kind)
        if kept is None:
            kept = self.kept[kind] = _Kept()
        return kept
