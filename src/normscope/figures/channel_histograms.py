"""How often each channel takes each value."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from normscope.statistics.histogram import bin_values
from normscope.wording import counted

if TYPE_CHECKING:
    from normscope.statistics.collection_statistics import CollectionStatistics

MOST_STEPS = 256
"""Finer bins than this are put together: a picture shows no more."""

MOST_DRAWN = 64
"""More lines cover each other, and take a second each hundred."""

MOST_NAMED = 12
COLOURS = {"red": "tab:red", "green": "tab:green", "blue": "tab:blue", "grey": "black"}


@dataclass(frozen=True)
class ChannelHistograms:
    """What the picture shows.

    Attributes:
        edges: Borders of the steps, in pixel value over scale, shape ``(steps + 1,)``.
        share: Share of each channel's pixels in each step, shape ``(C, steps)``.
        names: Of the channels.
        mean: Of each channel.
        std: Of each channel.
        title: What was counted.
        scale: What pixels in their own units are divided by.
        unit: The name of that unit, or None.
        clip: The lower and the upper end of each channel's clip in the pixels' own units, if one
            was asked for.
    """

    edges: np.ndarray
    share: np.ndarray
    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    title: str
    scale: float
    unit: str | None
    clip: tuple[tuple[float, float], ...]


def channel_histograms(statistics: CollectionStatistics) -> ChannelHistograms:
    """The numbers of the picture.

    Of whole numbers every step holds equally many, so that none stands out because it holds one
    more than its neighbours.

    Returns:
        Steps that hold every pixel, at most ``MOST_STEPS``.
    """
    dtype, clip = np.dtype(statistics.dtype), statistics.clip
    values, histogram = bin_values(dtype), statistics.histogram
    if statistics.whole is not None:
        values, histogram = bin_values(np.dtype(np.int16)), statistics.whole
    met = np.flatnonzero(histogram.sum(axis=0))
    first, last = int(met[0]), int(met[-1])
    counts, present = histogram[:, first : last + 1], values[first : last + 1]
    if values.dtype.kind == "i":
        each = -(-len(present) // MOST_STEPS)
        steps = -(-len(present) // each)
        edges = present[0] - 0.5 + each * np.arange(steps + 1)
    else:
        steps, low, high = MOST_STEPS, present[0], present[-1]
        edges = np.linspace(low, high if high > low else low + statistics.scale, steps + 1)
    # A bin of floats starts at the value that names it.
    step = np.clip(np.searchsorted(edges, present, "right") - 1, 0, steps - 1)
    share = np.stack([np.bincount(step, row, minlength=steps) for row in counts])
    return ChannelHistograms(
        edges=edges / statistics.scale,
        share=share / np.asarray(statistics.counted)[:, None],
        names=statistics.channel_names,
        mean=statistics.mean.value,
        std=statistics.std.value,
        title=f"{counted(statistics.images, 'image')} of {statistics.name}",
        scale=statistics.scale,
        unit=None if statistics.kind_of_values == "stored" else statistics.kind_of_values,
        clip=() if clip is None else tuple(zip(clip.low, clip.high, strict=True)),
    )


def draw_channel_histograms(numbers: ChannelHistograms) -> Figure:
    """Draw one line per channel, with its mean.

    The axis below has the pixels' own units, which is what an expert knows by heart; the one above
    has [0, 1], where the two differ. Dotted lines are the ends of a clip.

    Returns:
        A figure of 8 x 5 inches.
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    scale = numbers.scale
    channels = zip(numbers.names, numbers.share, numbers.mean, numbers.std, strict=True)
    for index, (name, share, mean, std) in enumerate(islice(channels, MOST_DRAWN)):
        label = f"{_drawable(name)}: {mean * scale:.4g}, std {std * scale:.4g}"
        colour = COLOURS.get(name, f"C{index}")
        line = axes.stairs(share, numbers.edges * scale, color=colour, label=label, lw=1.2)
        axes.axvline(mean * scale, color=line.get_edgecolor(), ls="--", lw=0.8)
        for end in numbers.clip[index : index + 1]:
            for value in end:
                axes.axvline(value, color=line.get_edgecolor(), ls=":", lw=0.8)
    axes.set_yscale("log")
    unit = numbers.unit or ("stored" if scale != 1 else "")
    axes.set(xlabel=f"pixel value ({unit})" if unit else "pixel value", ylabel="share of pixels")
    if scale != 1:
        functions = (lambda v: np.divide(v, scale), lambda v: np.multiply(v, scale))
        above = axes.secondary_xaxis("top", functions=functions)
        above.set_xlabel(f"pixel value / {scale:.10g}")
    left = len(numbers.names) - MOST_DRAWN
    title = numbers.title + f": {MOST_DRAWN} of {len(numbers.names):,} channels" * (left > 0)
    axes.set_title(_drawable(title), parse_math=False)
    if len(numbers.names) <= MOST_NAMED:
        title = "mean (dashed) and std" + "\nclip (dotted)" * bool(numbers.clip)
        legend = axes.legend(title=title, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
        for text in legend.get_texts():
            text.set_parse_math(False)
    return figure


def _drawable(name: str) -> str:
    """A name without bytes that no font can show; nor is it a formula."""
    return name.encode(errors="replace").decode()
