"""All that is kept of a part of a collection: exact sums that merge in any order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from normscope.statistics.batches import Batches, Settled
from normscope.statistics.group_sums import GroupSums
from normscope.statistics.image_traits import ImageTraits
from normscope.statistics.kinds import Kind
from normscope.statistics.moments import Moments
from normscope.statistics.per_image import PerImage

if TYPE_CHECKING:
    from normscope.statistics.image_sums import ImageSums


class KindSums(NamedTuple):
    """The sums over images of one kind.

    Attributes:
        images: How many images.
        pixels: Their pixels, counted or not: height times width, summed.
        moments: Sums over the pixels that count.
        per_image: Sums over images, channel by channel.
    """

    images: int
    pixels: int
    moments: Moments
    per_image: tuple[PerImage, ...]

    def merge(self, other: KindSums) -> KindSums:
        """The sums over both sets of images."""
        return KindSums(
            self.images + other.images,
            self.pixels + other.pixels,
            self.moments.merge(other.moments),
            tuple(a.merge(b) for a, b in zip(self.per_image, other.per_image, strict=True)),
        )


@dataclass
class Collected:
    """The sums over a part of a collection.

    Attributes:
        kinds: The sums of each kind of image met.
        skipped: Position, path and reason of each image that could not be read.
        batches: The average over batches, if asked for.
        noticed: What was noticed, as of ``Pixels``, with the number of images.
        groups: The sums of each group of images, if asked for.
        traits: What the images of each kind are like one by one.
        names: The channels' names that files say, with the number of images that have them.
        most: The largest values that formats have, with the number of images.
        series: The DICOM series, with the number of images.
        windows: The ends of the windows that DICOM headers name, with the number of images.
        nan: How many values are NaN and do not count.
    """

    kinds: dict[Kind, KindSums] = field(default_factory=dict)
    skipped: list[tuple[int, str, str]] = field(default_factory=list)
    batches: Batches | None = None
    noticed: Counter[str] = field(default_factory=Counter)
    groups: GroupSums | None = None
    traits: dict[Kind, ImageTraits] = field(default_factory=dict)
    names: Counter[tuple[str, ...]] = field(default_factory=Counter)
    most: Counter[int] = field(default_factory=Counter)
    series: Counter[str] = field(default_factory=Counter)
    windows: Counter[tuple[float, float]] = field(default_factory=Counter)
    nan: int = 0

    def add(
        self, kind: Kind, pixels: int, moments: Moments, sums: ImageSums, positions: np.ndarray
    ) -> None:
        """Add images of one kind.

        Args:
            kind: Their kind.
            pixels: Their height times width, summed.
            moments: Sums over their pixels.
            sums: Sums of each image.
            positions: Where they stand in file order.
        """
        self._add_kind(kind, KindSums(len(sums.n), pixels, moments, PerImage.of(sums)))
        if self.batches is not None:
            self.batches.add(kind, positions, sums)

    def merge(self, other: Collected) -> None:
        """Take in the sums over another part of the same collection."""
        for kind, sums in other.kinds.items():
            self._add_kind(kind, sums)
        self.skipped += other.skipped
        self.noticed += other.noticed
        self.names += other.names
        self.most += other.most
        self.series += other.series
        self.windows += other.windows
        self.nan += other.nan
        if self.batches is not None and other.batches is not None:
            self.batches.merge(other.batches)
        if self.groups is not None and other.groups is not None:
            self.groups.merge(other.groups)
        for kind, traits in other.traits.items():
            self.traits.setdefault(kind, ImageTraits(traits.most)).merge(traits)

    def _add_kind(self, kind: Kind, sums: KindSums) -> None:
        self.kinds[kind] = self.kinds[kind].merge(sums) if kind in self.kinds else sums

    def to_json(self) -> dict[str, Any]:
        """The sums as JSON, with nothing rounded."""
        return {
            "kinds": [
                {
                    "kind": list(kind),
                    "images": sums.images,
                    "pixels": sums.pixels,
                    "moments": _moments_to_json(sums.moments),
                    "per_image": [_exact(channel) for channel in sums.per_image],
                }
                for kind, sums in self.kinds.items()
            ],
            "skipped": [list(skip) for skip in self.skipped],
            "noticed": dict(self.noticed),
            "names": [[list(names), count] for names, count in self.names.items()],
            "most": list(self.most.items()),
            "series": dict(self.series),
            "windows": [[list(ends), count] for ends, count in self.windows.items()],
            "nan": self.nan,
            "batches": None if self.batches is None else _batches_to_json(self.batches),
            "groups": None if self.groups is None else self.groups.to_json(_exact),
            "traits": [[list(kind), traits.to_json()] for kind, traits in self.traits.items()],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Collected:
        """Read what `to_json` wrote."""
        kinds = {
            Kind(*entry["kind"]): KindSums(
                entry["images"],
                entry["pixels"],
                _moments_from_json(entry["moments"]),
                tuple(PerImage(c[0], *_inexact(c[1:])) for c in entry["per_image"]),
            )
            for entry in data["kinds"]
        }
        skipped = [(int(at), str(path), str(reason)) for at, path, reason in data["skipped"]]
        batches = None if data["batches"] is None else _batches_from_json(data["batches"])
        groups = None if data["groups"] is None else GroupSums.from_json(data["groups"], _inexact)
        traits = {Kind(*kind): ImageTraits.from_json(entry) for kind, entry in data["traits"]}
        names = Counter({tuple(names): count for names, count in data["names"]})
        most = Counter(dict(data["most"]))
        noticed = Counter(data["noticed"])
        series = Counter(data["series"])
        windows = Counter({(low, high): count for (low, high), count in data["windows"]})
        return cls(
            kinds, skipped, batches, noticed, groups, traits, names, most, series, windows,
            data["nan"],
        )  # fmt: skip


def _exact(values) -> list[int | str]:
    return [value if isinstance(value, int) else str(value) for value in values]


def _inexact(values: list[int | str]) -> list[int | Fraction]:
    return [value if isinstance(value, int) else Fraction(value) for value in values]


def _moments_to_json(moments: Moments) -> dict[str, Any]:
    return {
        "dtype": moments.dtype,
        "n": list(moments.n),
        "sums": _exact(moments.sums),
        "squares": _exact(moments.squares),
        "minimum": list(moments.minimum),
        "maximum": list(moments.maximum),
        "bins": moments.histogram.shape[1],
        "counts": _present(moments.histogram),
        "whole": None if moments.whole is None else _present(moments.whole),
    }


def _present(histogram: np.ndarray) -> list[list[list[int]]]:
    met = [np.flatnonzero(counts) for counts in histogram]
    return [[at.tolist(), counts[at].tolist()] for at, counts in zip(met, histogram, strict=True)]


def _filled(channels: list[list[list[int]]], bins: int) -> np.ndarray:
    histogram = np.zeros((len(channels), bins), np.int64)
    for row, (at, counts) in zip(histogram, channels, strict=True):
        row[at] = counts
    return histogram


def _moments_from_json(data: dict[str, Any]) -> Moments:
    whole = data["whole"]
    return Moments(
        data["dtype"],
        tuple(data["n"]),
        tuple(_inexact(data["sums"])),
        tuple(_inexact(data["squares"])),
        tuple(data["minimum"]),
        tuple(data["maximum"]),
        _filled(data["counts"], data["bins"]),
        None if whole is None else _filled(whole, 65_536),
    )


def _batches_to_json(batches: Batches) -> dict[str, Any]:
    return {
        "size": batches.size,
        "seen": list(batches.seen.items()),
        "open": [
            [batch, [[list(kind), [_exact(c) for c in sums]] for kind, sums in kinds.items()]]
            for batch, kinds in batches.open.items()
        ],
        "settled": [
            [list(kind), [_exact(channel) for channel in settled]]
            for kind, settled in batches.settled.items()
        ],
    }


def _batches_from_json(data: dict[str, Any]) -> Batches:
    return Batches(
        data["size"],
        dict(data["seen"]),
        {
            batch: {Kind(*kind): tuple(tuple(_inexact(c)) for c in sums) for kind, sums in kinds}
            for batch, kinds in data["open"]
        },
        {
            Kind(*kind): tuple(Settled(c[0], *_inexact(c[1:])) for c in settled)
            for kind, settled in data["settled"]
        },
    )
