from __future__ import annotations

import io

import numpy as np
import pytest

from normscope.figures.accuracy_map import accuracy_map, draw_accuracy_map
from normscope.figures.best_cells import best_cells_histogram, draw_best_cells

NOT_SQUARE = np.arange(12, dtype=float).reshape(3, 4, 1) / 20


def drawn(figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def test_the_map_has_mean_to_the_right_and_std_upwards(made_study):
    study = made_study("-1,0,2", "0.1,0.2,0.5,2", NOT_SQUARE, data="0.3/0.4")
    numbers = accuracy_map(study)
    assert numbers.accuracy.sel(mean=2, std=0.2) == pytest.approx(9 / 20)
    assert (numbers.best, numbers.data) == ((2.0, 2.0), ((0.3, 0.4),))
    figure = draw_accuracy_map(numbers)
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("mean", "std", "log")
    best, data = axes.get_lines()
    assert (best.get_xdata(), best.get_ydata()) == ([2.0], [2.0])
    assert (data.get_xdata(), data.get_ydata()) == ([0.3], [0.4])
    labels = {(text.xy, text.get_text()) for text in axes.texts}
    assert ((0.0, 2.0), "0.350") in labels
    assert len(labels) == 12
    mesh = axes.collections[0]
    assert mesh.get_array().shape == (4, 3)
    assert drawn(figure).startswith(b"\x89PNG")


def test_the_map_of_one_cell_and_of_colour_images(made_study):
    study = made_study("0", "1", [[[0.5, 0.7]]], data="0.1,0.2,0.3/1,1,1")
    numbers = accuracy_map(study)
    assert numbers.data == ((0.1, 1.0), (0.2, 1.0), (0.3, 1.0))
    assert numbers.title == "Test accuracy of lenet on digits, mean of 2 seeds"
    assert drawn(draw_accuracy_map(numbers)).startswith(b"\x89PNG")


def test_the_histogram_keeps_the_best_95_percent(made_study):
    numbers = best_cells_histogram(made_study("-1,0,2", "0.1,0.2,0.5,2", NOT_SQUARE))
    assert sorted(numbers.accuracies) == pytest.approx([i / 20 for i in range(1, 12)])
    assert (numbers.cells, numbers.test_images) == (12, 1000)
    axes = draw_best_cells(numbers).axes[0]
    assert axes.get_xscale() == "logit"
    assert sum(patch.get_height() for patch in axes.patches) == 11


@pytest.mark.parametrize("accuracy", [0.0, 0.5, 1.0])
def test_the_histogram_of_equal_cells_at_the_ends_of_the_axis(made_study, accuracy):
    numbers = best_cells_histogram(made_study("0,1", "1,2", np.full((2, 2, 1), accuracy)))
    figure = draw_best_cells(numbers)
    assert sum(patch.get_height() for patch in figure.axes[0].patches) == 4
    assert drawn(figure).startswith(b"\x89PNG")
