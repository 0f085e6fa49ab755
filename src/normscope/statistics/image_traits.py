"""What an image is like in a few numbers, and which images are the most extreme in each.

Kept in bounded memory for any number of images: counts of the numbers, and a few images at either
end of each. Both merge to the same in any order.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.statistics.image_sums import ImageSums
    from normscope.statistics.kinds import Kind

DROPPED_BITS = 15
"""Of float32: 8 bits of the fraction stay."""

STEP = 2.0**-8
"""Numbers are counted to within this share of themselves, so that few bytes are kept of any
number of images."""

LARGEST = 2.0**127
"""Larger numbers are counted as this one."""


class Trait(NamedTuple):
    """One number of an image.

    Attributes:
        what: ``mean``, ``std``, or ``balance`` for the first channel's mean less the last's.
        channel: Of which channel; 0 for the balance.
    """

    what: str
    channel: int = 0


def traits_of(channels: int) -> tuple[Trait, ...]:
    """The traits of an image: its means, its stds, and in colour their balance.

    Args:
        channels: How many it has.

    Returns:
        The traits in the order in which they are kept.
    """
    per_channel = [Trait(what, c) for what in ("mean", "std") for c in range(channels)]
    return (*per_channel, Trait("balance")) if channels == 3 else tuple(per_channel)


class Candidate(NamedTuple):
    """An image that is extreme in some trait.

    Attributes:
        position: Its place in file order.
        frame: Its place among the images of its file.
        name: What it is called.
        values: Its traits; of integers in shares of their type's range.
    """

    position: int
    frame: int
    name: str
    values: tuple[float, ...]


@dataclass
class ImageTraits:
    """The traits of images of one kind.

    Constant images are kept apart: they have no contrast that could be compared.

    Attributes:
        most: How many images are kept at either end of each trait.
        images: How many images were met.
        constant: How many of them are constant.
        counts: For each trait, how many images have each number; the numbers are keys of
            `numbers_of`.
        ends: The images at either end of some trait, and the first constant ones.
    """

    most: int
    images: int = 0
    constant: int = 0
    counts: list[Counter[int]] = field(default_factory=list)
    ends: list[Candidate] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        most: int,
        kind: Kind,
        positions: np.ndarray,
        name_of: Callable[[int], str],
        sums: ImageSums,
    ) -> ImageTraits:
        """The traits of some images; those without a pixel that counts are left out.

        Args:
            most: How many are kept at either end of each trait.
            kind: Their kind.
            positions: Where they stand in file order, rising.
            name_of: What the image at a position is called.
            sums: Their sums.

        Returns:
            The traits.
        """
        values = _values(kind, sums)
        # The images of a file follow each other.
        frames = np.arange(len(positions)) - np.searchsorted(positions, positions)
        rows = np.flatnonzero((sums.n > 0).all(axis=1))
        values = values[rows]
        flat = (values[:, kind.channels : 2 * kind.channels] == 0).all(axis=1)
        counts = [_counted(_keys(column[~flat])) for column in values.T]
        chosen = sorted(_chosen(values, flat, most))
        ends = []
        for at in chosen:
            row = int(rows[at])
            place = int(positions[row]), int(frames[row])
            ends.append(Candidate(*place, name_of(place[0]), tuple(values[at].tolist())))
        return cls(most, len(rows), int(flat.sum()), counts, ends)

    def merge(self, other: ImageTraits) -> None:
        """Take in other images of the same kind.

        Args:
            other: Their traits, which stay as they are.
        """
        self.images += other.images
        self.constant += other.constant
        self.counts = self.counts or [Counter() for _ in other.counts]
        for mine, theirs in zip(self.counts, other.counts, strict=True):
            mine.update(theirs)
        ends = sorted({*self.ends, *other.ends})
        if ends:
            values = np.array([end.values for end in ends])
            channels = values.shape[1] // 2
            flat = (values[:, channels : 2 * channels] == 0).all(axis=1)
            self.ends = [ends[at] for at in sorted(_chosen(values, flat, self.most))]

    def as_kind(self, kind: Kind, other: Kind) -> ImageTraits:
        """The traits that images of another kind have as of this one.

        Args:
            kind: The kind that the whole collection has.
            other: The kind that these are of.

        Returns:
            The traits, grey repeated in each channel.
        """
        if kind.channels == other.channels:
            return self
        (mean, std), repeats = self.counts, kind.channels
        balance = Counter({int(_keys(np.zeros(1))[0]): self.images - self.constant})
        ends = [
            end._replace(values=(end.values[0],) * repeats + (end.values[1],) * repeats + (0.0,))
            for end in self.ends
        ]
        counts = [*[mean] * repeats, *[std] * repeats, balance]
        return ImageTraits(self.most, self.images, self.constant, counts, ends)

    def to_json(self) -> dict[str, Any]:
        """The traits as JSON, with nothing rounded."""
        return {
            "most": self.most,
            "images": self.images,
            "constant": self.constant,
            "counts": [[list(c), list(c.values())] for c in self.counts],
            "ends": [[*end[:3], list(end.values)] for end in self.ends],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ImageTraits:
        """Read what `to_json` wrote."""
        return cls(
            data["most"],
            data["images"],
            data["constant"],
            [Counter(dict(zip(keys, n, strict=True))) for keys, n in data["counts"]],
            [Candidate(at, frame, name, tuple(v)) for at, frame, name, v in data["ends"]],
        )


def numbers_of(counts: Counter[int]) -> tuple[np.ndarray, np.ndarray]:
    """The numbers that were counted, rising, and how many images have each.

    Args:
        counts: Of one trait.

    Returns:
        float64 and int64.
    """
    keys = np.array(sorted(counts), np.int64)
    magnitude = (np.abs(keys) << DROPPED_BITS).astype(np.uint32).view(np.float32)
    images = np.array([counts[key] for key in keys.tolist()], np.int64)
    return np.copysign(magnitude.astype(np.float64), keys), images


def _counted(keys: np.ndarray) -> Counter[int]:
    # As Counter(keys.tolist()), in a third of the time.
    different, images = np.unique(keys, return_counts=True)
    return Counter(dict(zip(different.tolist(), images.tolist(), strict=True)))


def _keys(values: np.ndarray) -> np.ndarray:
    # The bits of a positive float rise as it does.
    near = values.clip(-LARGEST, LARGEST).astype(np.float32)
    bits = (np.abs(near).view(np.uint32) >> DROPPED_BITS).astype(np.int64)
    return np.where(near < 0, -bits, bits)


def _values(kind: Kind, sums: ImageSums) -> np.ndarray:
    dtype = np.dtype(kind.dtype)
    unit = float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0
    mean, std = sums.mean / unit, np.sqrt(sums.variance) / unit
    balance = [mean[:, :1] - mean[:, 2:]] if kind.channels == 3 else []
    return np.concatenate([mean, std, *balance], axis=1)


def _chosen(values: np.ndarray, flat: np.ndarray, most: int) -> set[int]:
    """The rows at either end of each column, and the first flat ones; the first of equal ones."""
    rows = np.flatnonzero(~flat)
    chosen = set(np.flatnonzero(flat)[:most].tolist())
    for column in values[rows].T:
        for signed in (column, -column):
            near = np.arange(len(signed))
            if len(signed) > most:
                near = np.flatnonzero(signed <= np.partition(signed, most - 1)[most - 1])
            chosen.update(rows[near[np.argsort(signed[near], kind="stable")[:most]]].tolist())
    return chosen
