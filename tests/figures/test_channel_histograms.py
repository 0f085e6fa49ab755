from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from normscope.figures.channel_histograms import channel_histograms, draw_channel_histograms
from normscope.statistics.stats import stats


def test_numbers():
    found = stats(np.array([[[10, 10], [11, 13]]], np.uint8))
    numbers = channel_histograms(found)
    assert numbers.share.tolist() == [[0.5, 0.25, 0.0, 0.25]]
    assert numbers.edges * 255 == pytest.approx([9.5, 10.5, 11.5, 12.5, 13.5])
    assert numbers.names == ("grey",)
    assert numbers.title == "1 image of array"


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3, 13])
def test_every_pixel_is_shown_and_drawn(dtype, channels):
    pixels = (np.random.default_rng(0).random((3, channels, 5, 6)) * 100).astype(dtype)
    numbers = channel_histograms(stats(pixels, scale=100))
    assert numbers.share.sum(axis=1) == pytest.approx(1)
    figure = draw_channel_histograms(numbers)
    figure.canvas.draw()
    assert len(figure.axes[0].patches) == channels
    assert (figure.axes[0].get_legend() is None) == (channels > 12)


@pytest.mark.parametrize(
    "pixels",
    [
        np.arange(-1000, 1000, dtype=np.int16),
        np.arange(-1000, 1000, dtype=np.float64),
        np.arange(-300, 700, dtype=np.int32),
        np.arange(3, 800, dtype=np.uint16),
    ],
    ids=lambda pixels: f"{pixels.dtype} {len(pixels)}",
)
def test_whole_numbers_that_are_equally_frequent_make_no_spikes(pixels):
    numbers = channel_histograms(stats(np.stack([pixels.reshape(1, -1)] * 2), scale=1))
    widths = np.diff(numbers.edges)
    assert numbers.edges[0] == pixels[0] - 0.5
    assert set(widths) == {-(-len(pixels) // 256)}
    assert numbers.share.sum() == pytest.approx(1)
    # The last step may reach beyond the greatest value.
    assert len(set(numbers.share[0, :-1].tolist())) == 1


def test_one_value():
    numbers = channel_histograms(stats(np.full((2, 3, 3), 0.5, np.float32)))
    assert numbers.share.sum() == 1
    assert (np.diff(numbers.edges) > 0).all()


def test_many_channels_have_colours_of_their_own():
    found = stats(np.random.default_rng(0).random((2, 10, 5, 5)))
    figure = draw_channel_histograms(channel_histograms(found))
    assert len({patch.get_edgecolor() for patch in figure.axes[0].patches}) == 10


@pytest.mark.thorough
def test_of_thousands_of_channels_some_are_drawn():
    values = np.arange(5000 * 4).astype(np.uint8).reshape(1, 5000, 2, 2)
    found = stats(values, layout="NCHW", outliers=0)
    figure = draw_channel_histograms(channel_histograms(found))
    assert len(figure.axes[0].patches) == 64
    assert figure.axes[0].get_title().endswith(": 64 of 5,000 channels")


def test_names_of_channels_are_no_formulas(tmp_path):
    numbers = channel_histograms(stats(np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4)))
    figure = draw_channel_histograms(replace(numbers, names=("$\\frac{",)))
    figure.savefig(tmp_path / "drawn.png")
    (text,) = figure.axes[0].get_legend().get_texts()
    assert text.get_text().startswith("$\\frac{: ")


def test_axes_have_the_values_as_stored_and_between_0_and_1():
    found = stats(np.array([[[0, 51], [102, 255]]], np.uint8), clip="10:200")
    axes = draw_channel_histograms(channel_histograms(found)).axes[0]
    (above,) = axes.child_axes
    assert (axes.get_xlabel(), above.get_xlabel()) == ("pixel value (stored)", "pixel value / 255")
    low, high = axes.get_xlim()
    assert low < 0
    assert high > 255
    assert [line.get_xdata()[0] for line in axes.lines] == pytest.approx([102, 10, 200])
    assert axes.get_legend().get_texts()[0].get_text() == "grey: 102, std 95.41"


def test_one_axis_where_there_is_one_unit():
    found = stats(np.array([[[-1000.0, 40.0]]]), scale=1)
    axes = draw_channel_histograms(replace(channel_histograms(found), unit="HU")).axes[0]
    assert axes.get_xlabel() == "pixel value (HU)"
    assert axes.child_axes == []
    assert draw_channel_histograms(channel_histograms(found)).axes[0].get_xlabel() == "pixel value"
