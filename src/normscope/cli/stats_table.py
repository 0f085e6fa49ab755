"""The statistics of a collection as tables: first what is used, then what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Column, Table
from rich.text import Text

from normscope.errors import printable
from normscope.statistics.statistics_rows import STANDARD_ERROR, sections_of
from normscope.wording import counted

if TYPE_CHECKING:
    from normscope.statistics.collection_statistics import CollectionStatistics
    from normscope.statistics.group_differences import Difference, Group

TABLE_COLUMNS, NAME_COLUMNS = 80, 13
"""The width in characters of a table, and the least of its row names, broken at spaces."""

MOST_GROUPS = 20


def tables(found: CollectionStatistics) -> list[Table]:
    """The statistics in 80 columns, with the channels side by side where all fit.

    Args:
        found: The statistics.

    Returns:
        One table with a column for each channel, whose rows stand in sections: the mean and std in
        [0, 1], the values as stored, other estimators, and what the digits are worth. Of more
        channels than fit, a table for each section with a row for each channel.
    """
    sections = sections_of(found)
    title = STANDARD_ERROR if found.errors_known else ""
    names = [printable(name) for name in found.channel_names]
    cells = (cell for section in sections for row in section.values() for cell in row)
    widest = max(map(len, (*names, *cells)))
    # Each column has a border and a space on both sides.
    for_names = TABLE_COLUMNS - 4 - len(names) * (widest + 3)
    if len(names) > 1 and for_names < NAME_COLUMNS:
        titles = (title, *[""] * len(sections))
        return [_a_row_for_each(names, *part) for part in zip(sections, titles, strict=False)]
    table = Table(Column(title, max_width=for_names))
    for name in names:
        table.add_column(Text(name), no_wrap=True)
    for section in sections:
        for name, values in section.items():
            table.add_row(name, *values)
        table.add_section()
    return [table]


def _a_row_for_each(names: list[str], section: dict[str, list[str]], title: str) -> Table:
    table = Table("", title=title or None, title_justify="left")
    for heading, values in section.items():
        # A heading breaks at spaces, a number with its error does not.
        table.add_column(heading, min_width=max(map(len, values)))
    for name, *values in zip(names, *section.values(), strict=True):
        table.add_row(Text(name, overflow="fold"), *values)
    return table


def group_table(found: CollectionStatistics) -> Table:
    """The groups of a collection, each with how far it lies from the rest.

    Args:
        found: With groups.

    Returns:
        A row for each group and channel; of many groups those that lie farthest away.
    """
    assert found.groups is not None
    groups = found.groups.groups
    shown = sorted(groups, key=_distance, reverse=True)[:MOST_GROUPS]
    left = len(groups) - len(shown)
    table = Table(
        title="Groups; in brackets: how far from the rest, and half of a 95 % interval for all",
        caption=f"In --json: {counted(left, 'group')} nearer to the rest." if left else None,
    )
    table.add_column("group (images)", overflow="fold")
    if found.channels > 1:
        table.add_column("")
    table.add_column("mean", no_wrap=True)
    table.add_column("pixel std", no_wrap=True)
    for group in (group for group in groups if group in shown):
        for channel, name in enumerate(found.channel_names):
            cells = [
                f"{estimate.value[channel]:.4f}{_from_rest(differences, channel)}"
                for estimate, differences in (
                    (group.mean, group.mean_difference),
                    (group.std, group.std_difference),
                )
            ]
            label = "" if channel else f"{printable(group.name)} ({group.images})"
            table.add_row(Text(label), *([name] if found.channels > 1 else []), *cells)
        table.add_section()
    return table


def _distance(group: Group) -> float:
    return max((abs(difference.value) for difference in group.mean_difference or ()), default=0.0)


def _from_rest(differences: tuple[Difference, ...] | None, channel: int) -> str:
    if differences is None:
        return ""
    difference = differences[channel]
    sign = "-" if difference.value < 0 else "+"
    value = sign + difference.written(abs(difference.value))
    half = difference.half
    return f" ({value})" if half is None else f" ({value}, {difference.written(half)})"
