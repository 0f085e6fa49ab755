"""The sums over the images of each group, merged in any order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.errors import NormscopeError
from normscope.statistics.groups import MOST_GROUPS
from normscope.statistics.kinds import Kind
from normscope.statistics.per_image import PerImage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.statistics.image_sums import ImageSums

Channels = tuple[PerImage, ...]


@dataclass
class GroupSums:
    """Sums over images by group and kind; images in no group are only counted.

    Attributes:
        groups: The sums of each group.
        outside: How many images are in no group.
    """

    groups: dict[str, dict[Kind, Channels]] = field(default_factory=dict)
    outside: int = 0

    def add(self, kind: Kind, labels: Sequence[str | None], sums: ImageSums) -> None:
        """Add images of one kind.

        Args:
            kind: Their kind.
            labels: The group of each, or None.
            sums: The sums of each.
        """
        places: dict[str | None, list[int]] = {}
        for place, label in enumerate(labels):
            places.setdefault(label, []).append(place)
        self.outside += len(places.pop(None, []))
        for label, at in places.items():
            assert label is not None
            self._add(label, kind, PerImage.of(sums.take(np.array(at))))

    def merge(self, other: GroupSums) -> None:
        """Take in the sums of other images."""
        self.outside += other.outside
        for label, kinds in other.groups.items():
            for kind, channels in kinds.items():
                self._add(label, kind, channels)

    def of_kind(self, kind: Kind) -> dict[str, Channels]:
        """Each group's sums as of one kind.

        Args:
            kind: The kind that the whole collection has.

        Returns:
            The sums by group, in the order of their names.
        """
        found = {}
        for label in sorted(self.groups):
            parts = [kind.per_image_from(k, sums) for k, sums in self.groups[label].items()]
            found[label] = parts[0]
            for part in parts[1:]:
                found[label] = _added(found[label], part)
        return found

    def _add(self, label: str, kind: Kind, channels: Channels) -> None:
        kinds = self.groups.setdefault(label, {})
        kinds[kind] = _added(kinds[kind], channels) if kind in kinds else channels
        if len(self.groups) > MOST_GROUPS:
            raise NormscopeError(
                f"--by must make at most {MOST_GROUPS} groups, got more, such as '{label}'. "
                "Sort the images into fewer."
            )

    def to_json(self, exact) -> dict[str, Any]:
        """The sums as JSON.

        Args:
            exact: Writes one channel's numbers without rounding.

        Returns:
            Plain values.
        """
        return {
            "outside": self.outside,
            "groups": [
                [label, [[list(kind), [exact(c) for c in sums]] for kind, sums in kinds.items()]]
                for label, kinds in self.groups.items()
            ],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], inexact) -> GroupSums:
        """Read what `to_json` wrote.

        Args:
            data: Plain values.
            inexact: Reads numbers.

        Returns:
            The sums.
        """
        groups = {
            label: {
                Kind(*kind): tuple(PerImage(c[0], *inexact(c[1:])) for c in sums)
                for kind, sums in kinds
            }
            for label, kinds in data["groups"]
        }
        return cls(groups, data["outside"])


def _added(left: Channels, right: Channels) -> Channels:
    return tuple(a.merge(b) for a, b in zip(left, right, strict=True))
