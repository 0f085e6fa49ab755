"""The average over batches, as a loop over a data loader computes it, in file order."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from normscope.statistics.exact import Exact, exact_variance
from normscope.statistics.kinds import Kind, common_kind

if TYPE_CHECKING:
    from normscope.statistics.image_sums import ImageSums

Sums = tuple[tuple[Exact, ...], ...]
"""For each channel: pixels counted, their sum and the sum of their squares."""


class Settled(NamedTuple):
    """Sums over whole batches of one channel's batch mean and batch variance.

    Attributes:
        batches: How many batches.
        mean: Sum of their means.
        variance: Sum of their variances.
    """

    batches: int
    mean: Exact
    variance: Exact


@dataclass
class Batches:
    """Averages over batches of ``size`` consecutive files, kept by position.

    Batch k holds the files k B to (k + 1) B - 1. A file that could not be read leaves its batch
    smaller. A batch is settled once all its files are seen, so few are open at a time and workers
    may see the files in any order.

    Attributes:
        size: Files per batch.
        seen: How many files of each open batch were seen.
        open: The sums of each open batch, for each kind of image in it.
        settled: The sums over settled batches, channel by channel, for each kind.
    """

    size: int
    seen: dict[int, int] = field(default_factory=dict)
    open: dict[int, dict[Kind, Sums]] = field(default_factory=dict)
    settled: dict[Kind, tuple[Settled, ...]] = field(default_factory=dict)

    def add(self, kind: Kind, positions: np.ndarray, sums: ImageSums) -> None:
        """Add images.

        Args:
            kind: Their kind.
            positions: Their positions in file order, rising.
            sums: Their sums.
        """
        batches = positions // self.size
        edges = np.flatnonzero(np.diff(batches, prepend=-1))
        stops = [*edges[1:].tolist(), len(batches)]
        for start, stop in zip(edges.tolist(), stops, strict=True):
            here = tuple(
                tuple(_total(column[start:stop, c]) for column in (sums.n, sums.s, sums.q))
                for c in range(sums.n.shape[1])
            )
            self._add_open(int(batches[start]), {kind: here})

    def see(self, start: int, count: int) -> None:
        """Note files as seen, read or skipped, and settle the batches that they complete."""
        for batch in range(start // self.size, -(-(start + count) // self.size)):
            first = max(start, batch * self.size)
            stop = min(start + count, (batch + 1) * self.size)
            self.seen[batch] = self.seen.get(batch, 0) + stop - first
        self._settle(lambda batch: self.seen[batch] == self.size)

    def merge(self, other: Batches) -> None:
        """Take in the batches of another part of the collection."""
        for batch, sums in other.open.items():
            self._add_open(batch, sums)
        for batch, count in other.seen.items():
            self.seen[batch] = self.seen.get(batch, 0) + count
        for kind, settled in other.settled.items():
            self._add_settled(kind, settled)
        self._settle(lambda batch: self.seen[batch] == self.size)

    def finish(self, kind: Kind) -> tuple[Settled, ...] | None:
        """Settle what is open and see every batch as of one kind.

        Args:
            kind: The kind that the whole collection has.

        Returns:
            The sums over all batches, channel by channel; None if no image was read.
        """
        self._settle(lambda _: True)
        parts = [
            tuple(Settled(*channel) for channel in kind.sums_from(k, settled))
            for k, settled in self.settled.items()
        ]
        if not parts:
            return None
        self.settled = {kind: parts[0]}
        for part in parts[1:]:
            self._add_settled(kind, part)
        return self.settled[kind]

    def _add_open(self, batch: int, sums: dict[Kind, Sums]) -> None:
        mine = self.open.setdefault(batch, {})
        for kind, theirs in sums.items():
            mine[kind] = _added(mine[kind], theirs) if kind in mine else theirs

    def _add_settled(self, kind: Kind, settled: tuple[Settled, ...]) -> None:
        before = self.settled.get(kind)
        if before is not None:
            settled = tuple(
                Settled(a.batches + b.batches, a.mean + b.mean, a.variance + b.variance)
                for a, b in zip(before, settled, strict=True)
            )
        self.settled[kind] = settled

    def _settle(self, whole) -> None:
        for batch in [b for b in self.seen if whole(b)]:
            kinds = self.open.pop(batch, {})
            del self.seen[batch]
            kind = common_kind(kinds)
            if kind is None:
                continue
            parts = [kind.sums_from(k, sums) for k, sums in kinds.items()]
            total = parts[0]
            for part in parts[1:]:
                total = _added(total, part)
            if all(channel[0] for channel in total):
                self._add_settled(kind, tuple(_settled(n, s, q) for n, s, q in total))


def _total(column: np.ndarray) -> Exact:
    if column.dtype.kind == "i":
        return sum(column.tolist())
    return sum(map(Fraction, column.tolist()), Fraction(0))


def _added(left: Sums, right: Sums) -> Sums:
    return tuple(
        tuple(a + b for a, b in zip(one, other, strict=True))
        for one, other in zip(left, right, strict=True)
    )


def _settled(n: Exact, s: Exact, q: Exact) -> Settled:
    mean = Fraction(float(Fraction(s) / n))
    return Settled(1, mean, Fraction(float(exact_variance(n, s, q))))
