"""The statistics of a collection as tables: first what is used, then what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Column, Table
from rich.text import Text

from normscope.cli.output import printable
from normscope.wording import counted, with_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.statistics.collection_statistics import CollectionStatistics
    from normscope.statistics.estimators import Estimate
    from normscope.statistics.group_differences import Difference, Group

    Section = dict[str, list[str]]

TABLE_COLUMNS, NAME_COLUMNS = 80, 13
"""The width in characters of a table, and the least of its row names, broken at spaces."""

MOST_GROUPS = 20

SHOWN = {"0.5": "0.5 %", "50": "median", "99.5": "99.5 %"}
"""The percentiles that a window is chosen by; JSON has more."""


def tables(found: CollectionStatistics) -> list[Table]:
    """Tables of at most 80 columns, with as many channels side by side as fit.

    Args:
        found: The statistics.

    Returns:
        At least one; their rows stand in sections: the mean and std in [0, 1], the values as
        stored, other estimators, and what the digits are worth.
    """
    sections = _sections(found)
    cells = (cell for section in sections for row in section.values() for cell in row)
    widest = max(map(len, (*found.channel_names, *cells)))
    # Each column has a border and a space on both sides.
    fitting = (TABLE_COLUMNS - NAME_COLUMNS - 4) // (widest + 3)
    abreast = max(1, min(fitting, found.channels))
    made = []
    known = any(se is not None for se in found.mean.se)
    for first in range(0, found.channels, abreast):
        title = "± standard error" if known else ""
        table = Table(Column(title, max_width=TABLE_COLUMNS - 4 - abreast * (widest + 3)))
        for name in found.channel_names[first : first + abreast]:
            table.add_column(Text(printable(name)), no_wrap=True)
        for section in sections:
            for name, values in section.items():
                table.add_row(name, *values[first : first + abreast])
            table.add_section()
        made.append(table)
    return made


def _sections(found: CollectionStatistics) -> list[Section]:
    unit = f" ({found.unit})" if found.unit and found.scale == 1 else ""
    # Six decimals are for values near 1.
    form = "g" if found.scale == 1 and _beyond(found) else "f"
    used = {
        f"mean{unit}": _with_se(found.mean, form),
        f"pixel std{unit}": _with_se(found.std, form),
    }
    sections = [used, _stored(found)]
    if found.clip is not None:
        sections.append(_clip(found))
    others = {
        "mean image std": _with_se(found.mean_image_std, form),
        "root mean image variance": _with_se(found.root_mean_image_variance, form),
    }
    if found.sizes_differ:
        others = {"mean of image means": _with_se(found.mean_of_image_means, form), **others}
    if found.batch_mean is not None and found.batch_std is not None:
        others["batch mean"] = [f"{value:.6f}" for value in found.batch_mean.value]
        others["batch std"] = [f"{value:.6f}" for value in found.batch_std.value]
    return [*sections, others, _worth(found)]


def _stored(found: CollectionStatistics) -> Section:
    rows: Section = {}
    if found.scale != 1:
        unit = found.unit or "stored"
        rows[f"mean ({unit})"] = _with_se(found.stored_mean, "g")
        rows[f"std ({unit})"] = _with_se(found.stored_std, "g")
    rows["min"] = [f"{value:g}" for value in found.minimum]
    for number, name in SHOWN.items():
        between = found.percentiles[number]
        rows[name] = [
            f"{value:.5g}" if low == high else f"about {value:.3g}"
            for value, low, high in zip(between.value, between.low, between.high, strict=True)
        ]
    # Rising, with the greatest last.
    rows["max"] = [f"{value:g}" for value in found.maximum]
    return rows


def _clip(found: CollectionStatistics) -> Section:
    clip = found.clip
    assert clip is not None
    ends = zip(clip.low, clip.high, strict=True)
    rows = {
        "clip": [f"{low:.5g} to {high:.5g}" for low, high in ends],
        "mean after clip": _within(clip.mean, clip.within, found.scale),
        "std after clip": _within(clip.std, clip.within, found.scale),
    }
    if found.scale != 1:
        unit = found.unit or "stored"
        rows[f"mean after clip ({unit})"] = [f"{value:.6g}" for value in clip.stored_mean]
        rows[f"std after clip ({unit})"] = [f"{value:.6g}" for value in clip.stored_std]
    return rows


def _within(values: Sequence[float], within: Sequence[float], scale: float) -> list[str]:
    return [
        f"{value:.6f}" if not off else f"{value:.6f} within {off / scale:.1g}"
        for value, off in zip(values, within, strict=True)
    ]


def _worth(found: CollectionStatistics) -> Section:
    import numpy as np

    from normscope.statistics.estimators import real_digits

    rows: Section = {}
    # Floats beyond [0, 1], such as Hounsfield units, have no ends to be clipped at.
    if not (found.dtype.startswith("float") and _beyond(found)):
        dtype = np.dtype(found.dtype)
        least = np.iinfo(dtype).min if dtype.kind == "i" else 0
        below, above = min(found.minimum) < least, max(found.maximum) > found.scale
        for end, shares in (
            (f"at {least:g}{' or below' * below}", found.clipped_low),
            (f"at {found.scale:.10g}{' or above' * above}", found.clipped_high),
        ):
            rows[end] = [f"{100 * share:.2f} %" for share in shares]
    for what, estimate in (("mean", found.mean), ("std", found.std)):
        digits = [real_digits(se) for se in estimate.se]
        rows[f"sure decimals of {what}"] = [
            "unknown" if d is None else str(d) if d >= 0 else "none" for d in digits
        ]
    return rows


def _beyond(found: CollectionStatistics) -> bool:
    return min(found.minimum) < 0 or max(found.maximum) > found.scale


def _with_se(estimate: Estimate, form: str = "f") -> list[str]:
    return [
        f"{value:.6{form}}" if not se else with_error(value, se)
        for value, se in zip(estimate.value, estimate.se, strict=True)
    ]


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
        title="Groups; in brackets: how far from the rest, and half of an interval of 95 % for all",
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
