"""The statistics of a collection as tables: first what is used, then what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Column, Table
from rich.text import Text

from normscope.cli.output import printable
from normscope.statistics.statistics_rows import STANDARD_ERROR, sections_of
from normscope.wording import counted

if TYPE_CHECKING:
    from normscope.statistics.collection_statistics import CollectionStatistics
    from normscope.statistics.group_differences import Difference, Group

TABLE_COLUMNS, NAME_COLUMNS = 80, 13
"""The width in characters of a table, and the least of its row names, broken at spaces."""

MOST_GROUPS = 20


def tables(found: CollectionStatistics) -> list[Table]:
    """Tables of at most 80 columns, with as many channels side by side as fit.

    Args:
        found: The statistics.

    Returns:
        At least one; their rows stand in sections: the mean and std in [0, 1], the values as
        stored, other estimators, and what the digits are worth.
    """
    sections = sections_of(found)
    cells = (cell for section in sections for row in section.values() for cell in row)
    widest = max(map(len, (*found.channel_names, *cells)))
    # Each column has a border and a space on both sides.
    fitting = (TABLE_COLUMNS - NAME_COLUMNS - 4) // (widest + 3)
    abreast = max(1, min(fitting, found.channels))
    made = []
    title = STANDARD_ERROR if found.errors_known else ""
    for first in range(0, found.channels, abreast):
        table = Table(Column(title, max_width=TABLE_COLUMNS - 4 - abreast * (widest + 3)))
        for name in found.channel_names[first : first + abreast]:
            table.add_column(Text(printable(name)), no_wrap=True)
        for section in sections:
            for name, values in section.items():
                table.add_row(name, *values[first : first + abreast])
            table.add_section()
        made.append(table)
    return made


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
