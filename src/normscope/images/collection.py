"""A collection of images as shards, and several collections one after another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from normscope.errors import NormscopeError
from normscope.images.names_met import NamesMet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from normscope.images.shards import Shard

Image = TypeVar("Image")


@dataclass(frozen=True)
class Stream:
    """A collection as shards, which are made anew at every call.

    Attributes:
        name: The source as the user named it.
        shards: Yields the shards in file order.
        total: Counts the units of all shards, or None where that cannot be known beforehand.
        scale: What brings pixels to [0, 1] where the source itself says so, else None.
        whole: What it is all of, as ``split``; nothing where more may belong to it.
        notes: What was taken for what, in sentences.
        passed: Counts the files that are not images, by suffix, as the shards are made.
        names: Takes note of the images' names likewise.
        channel_names: What the source calls the channels, or nothing.
        empty: Which of several sources hold no image, as the shards are made.
    """

    name: str
    shards: Callable[[], Iterator[Shard]]
    total: Callable[[], float | None]
    scale: float | None = None
    whole: str = ""
    notes: tuple[str, ...] = ()
    passed: Counter[str] = field(default_factory=Counter)
    names: NamesMet = field(default_factory=NamesMet)
    channel_names: tuple[str, ...] = ()
    empty: list[str] = field(default_factory=list)


def counted_path(path: str, images: Iterable[Image], empty: list[str]) -> Iterator[Image]:
    """The images of one path, and note it where there is none.

    Args:
        path: A folder, a file or an archive.
        images: All that was found there.
        empty: Paths without an image.

    Yields:
        The images.
    """
    met = False
    for image in images:
        met = True
        yield image
    if not met:
        empty.append(path)


def joined(parts: list[Stream], name: str | None = None) -> Stream:
    """Several collections, one after another.

    Args:
        parts: Perhaps none.
        name: What they are called together, or None for ``name_of``.

    Returns:
        All of them as one.

    Raises:
        NormscopeError: If their pixels have different ranges.
    """
    scales = {part.scale for part in parts} or {None}
    if len(scales) > 1:
        raise NormscopeError(
            f"all sources must have pixels of one range, got {parts[0].name} beside others. "
            "Ask about them one by one."
        )
    passed: Counter[str] = Counter()
    empty: list[str] = []

    def shards() -> Iterator[Shard]:
        passed.clear()
        empty.clear()
        start = 0
        for part in parts:
            end = start
            for shard in part.shards():
                end = start + shard.start + shard.count
                yield replace(shard, start=start + shard.start)  # type: ignore[type-var]
            empty.extend(part.empty or [part.name] * (end == start))
            start = end
            passed.update(part.passed)

    def total() -> float | None:
        totals = [part.total() for part in parts]
        known = [value for value in totals if value is not None]
        return sum(known) if len(known) == len(totals) else None

    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    names = [part.name for part in parts]
    channels = {part.channel_names for part in parts}
    return Stream(
        name or name_of(names), shards, total, scales.pop(), notes=notes, passed=passed,
        channel_names=channels.pop() if len(channels) == 1 else (), empty=empty,
    )  # fmt: skip


def check_split_is_whole(name: str, split: str | None) -> None:
    """Refuse a split of what has none.

    Args:
        name: The source as the user named it.
        split: The split that was asked for, or None.

    Raises:
        NormscopeError: If it is a part.
    """
    if split not in {None, "all"}:
        raise NormscopeError(
            f"{name} must hold splits for --split {split}, got one collection without names. "
            "Leave out --split, or pass all."
        )


def name_of(names: list[str]) -> str:
    """What several sources are called together.

    Args:
        names: At least one.

    Returns:
        The first one's name, and how many there are beside it.
    """
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
