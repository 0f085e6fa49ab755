from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.contour import ContourSet
from matplotlib.text import Annotation

from normscope.figures.accuracy_map import accuracy_map, draw_accuracy_map
from normscope.figures.best_cells import best_cells_histogram, draw_best_cells
from normscope.findings.scan_results import ScanResults

NOT_SQUARE = np.arange(12, dtype=float).reshape(3, 4, 1) / 20


def mapped(study, outcome=lambda _trial: None, survival=()):
    """The map of a made-up study in which each training became what a function says."""
    trials = [judged(trial, outcome(trial)) for trial in study.trials()]
    return accuracy_map(ScanResults(study.specification, trials, list(survival)))


def judged(trial, outcome):
    return replace(trial, result=replace(trial.result, outcome=outcome))


def written(axes):
    """The numbers in the cells, by where they stand."""
    return {text.xy: text.get_text() for text in axes.texts if isinstance(text, Annotation)}


def panels(figure):
    return [axes for axes in figure.axes if axes.get_xlabel() == "mean"]


def test_the_map_has_mean_to_the_right_and_std_upwards(made_study):
    numbers = mapped(made_study("-1,0,2", "0.1,0.2,0.5,2", NOT_SQUARE, data="0.3/0.4"))
    assert numbers.accuracy.sel(mean=2, std=0.2) == pytest.approx(9 / 20)
    assert (numbers.best, numbers.data) == ((2.0, 2.0), ((0.3, 0.4),))
    assert (numbers.failed, numbers.title) == (None, "lenet on digits, 1 run a cell")
    figure = draw_accuracy_map(numbers)
    (axes,) = panels(figure)
    assert (axes.get_ylabel(), axes.get_yscale()) == ("std", "log")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0.1", "0.2", "0.5", "2"]
    (data,) = axes.get_lines()
    assert (data.get_xdata(), data.get_ydata()) == ([0.3], [0.4])
    (best,) = axes.patches
    (left, low), (right, high) = best.get_bbox().get_points()
    assert left < 2 < right
    assert low < 2 < high
    labels = written(axes)
    assert labels[(0.0, 2.0)] == "0.350"
    assert len(labels) == 12
    # Colours are the accuracies, std upward, on a scale from the lowest to the highest.
    mesh = axes.collections[0]
    assert np.asarray(mesh.get_array()) == pytest.approx(NOT_SQUARE[:, :, 0].T)
    assert mesh.get_clim() == numbers.limits
    assert figure.get_suptitle() == numbers.title


def test_the_map_of_one_cell_and_of_colour_images(made_study):
    numbers = mapped(made_study("0", "1", [[[0.5, 0.7]]], data="0.1,0.2,0.3/1,1,1"))
    assert numbers.data == ((0.1, 1.0), (0.2, 1.0), (0.3, 1.0))
    assert numbers.title == "lenet on digits, 2 runs a cell"
    (axes,) = panels(draw_accuracy_map(numbers))
    assert written(axes) == {(0, 1): "0.600"}
    (data,) = axes.get_lines()
    assert data.get_xydata().tolist() == [[0.1, 1], [0.2, 1], [0.3, 1]]


FAILS = {(0.0, 1.0, 0): "died", (0.0, 1.0, 1): "stuck", (0.0, 2.0, 1): "diverged"}


def fate(trial):
    (mean,), (std,) = trial.spec.normalization.mean, trial.spec.normalization.std
    return FAILS.get((mean, std, trial.spec.seed), "still learning")


ACCURACIES = [[[0.1, 0.1], [0.8, 0.1]], [[0.9, 0.7], [0.9, 0.9]]]


def test_survival_has_its_own_panel_and_accuracy_is_of_those_that_learned(made_study):
    study = made_study("0,1", "1,2", ACCURACIES)
    more = [judged(trial, "died") for trial in study.trials()[:3]]
    numbers = mapped(study, fate, more)
    assert numbers.trainings.to_numpy().tolist() == [[4, 3], [2, 2]]
    assert numbers.failures.to_numpy().tolist() == [[4, 2], [0, 0]]
    assert numbers.failed.to_numpy() == pytest.approx(np.array([[1, 2 / 3], [0, 0]]))
    assert numbers.accuracy.to_numpy() == pytest.approx(
        np.array([[np.nan, 0.8], [0.8, 0.9]]), nan_ok=True
    )
    assert numbers.best == (1.0, 2.0)
    figure = draw_accuracy_map(numbers)
    failed, accuracy = panels(figure)
    assert failed.get_title() == "Share of runs that failed"
    assert written(failed) == {(0, 1): "4/4", (0, 2): "2/3", (1, 1): "0/2", (1, 2): "0/2"}
    assert accuracy.get_title() == "Test accuracy of those that learned"
    assert written(accuracy) == {(0, 2): "0.800", (1, 1): "0.800", (1, 2): "0.900"}
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["the data's statistics", "none learned", "highest accuracy"]
    shares, others = failed.collections[0].get_array(), accuracy.collections[0].get_array()
    assert np.asarray(shares) == pytest.approx(np.array([[1, 0], [2 / 3, 0]]))
    assert failed.collections[0].get_clim() == (0, 1)
    # The cell without a survivor has no colour.
    assert others.mask.tolist() == [[True, False], [False, False]]
    assert others.compressed() == pytest.approx([0.8, 0.8, 0.9])


@pytest.mark.parametrize(
    ("outcome", "titles"),
    [
        ("learned", ["Test accuracy"]),
        ("died", ["Share of runs that failed"]),
        (None, ["Test accuracy"]),
    ],
)
def test_a_panel_that_says_nothing_is_left_out(made_study, outcome, titles):
    numbers = mapped(made_study("0,1", "1,2", ACCURACIES), lambda _: outcome)
    figure = draw_accuracy_map(numbers)
    assert [axes.get_title() for axes in panels(figure)] == titles
    assert (numbers.best is None) == (outcome == "died")
    colours = np.asarray(panels(figure)[0].collections[0].get_array())
    expected = np.ones((2, 2)) if outcome == "died" else np.mean(ACCURACIES, axis=2).T
    assert colours == pytest.approx(expected)


def test_a_study_of_survival_alone(made_study):
    study = made_study("0,1", "1,2", ACCURACIES)
    survival = [judged(trial, fate(trial)) for trial in study.trials()]
    study.specification = replace(study.specification, seeds=0, survival=2)
    study.trials = list
    numbers = mapped(study, survival=survival)
    assert numbers.best is None
    assert numbers.failures.to_numpy().tolist() == [[2, 1], [0, 0]]
    assert len(panels(draw_accuracy_map(numbers))) == 1


def test_one_poor_cell_does_not_drown_the_others(made_study):
    accuracies = 0.9 + 0.001 * np.arange(25.0).reshape(5, 5, 1)
    accuracies[0, 0] = 0.3
    low, high = mapped(made_study("0:4:5", "1:5:5", accuracies)).limits
    assert 0.85 < low < 0.9
    assert high == pytest.approx(0.924)


@pytest.mark.parametrize(("values", "lines"), [(6, 0), (7, 1)])
def test_contours_need_seven_values_an_axis(made_study, values, lines):
    accuracies = np.add.outer(np.arange(values), np.arange(values))[..., None] / 20
    numbers = mapped(made_study(f"0:6:{values}", f"1:7:{values}", accuracies))
    (axes,) = panels(draw_accuracy_map(numbers))
    assert sum(isinstance(c, ContourSet) for c in axes.collections) == lines


def test_second_axes_are_in_the_images_own_units(made_study):
    numbers = mapped(made_study("0,1", "1,2", ACCURACIES, data="0.5/0.25"))
    (axes,) = panels(draw_accuracy_map(numbers))
    top, right = axes.child_axes
    offset, factor = top._functions[0], right._functions[0]
    assert (offset(1.0), factor(0.5)) == (-2.0, 0.5)


def test_the_histogram_keeps_the_best_95_percent(made_study):
    numbers = best_cells_histogram(
        ScanResults.read(made_study("-1,0,2", "0.1,0.2,0.5,2", NOT_SQUARE))
    )
    assert sorted(numbers.accuracies) == pytest.approx([i / 20 for i in range(1, 12)])
    assert (numbers.cells, numbers.test_images) == (12, 1000)
    axes = draw_best_cells(numbers).axes[0]
    assert axes.get_xscale() == "logit"
    assert sum(patch.get_height() for patch in axes.patches) == 11


@pytest.mark.parametrize("accuracy", [0.0, 0.5, 1.0])
def test_the_histogram_of_equal_cells_at_the_ends_of_the_axis(made_study, accuracy):
    study = made_study("0,1", "1,2", np.full((2, 2, 1), accuracy))
    numbers = best_cells_histogram(ScanResults.read(study))
    figure = draw_best_cells(numbers)
    (axes,) = figure.axes
    assert sum(patch.get_height() for patch in axes.patches) == 4
    # An accuracy of 0 or 1, which a logit axis cannot show, stands half an image from its end.
    (bar,) = [patch for patch in axes.patches if patch.get_height()]
    low, high = axes.get_xlim()
    assert 0 < low <= bar.get_x() <= np.clip(accuracy, 0.0005, 0.9995) < high < 1
    (mean,) = axes.get_lines()
    assert mean.get_xdata()[0] == np.clip(accuracy, 0.0005, 0.9995)
