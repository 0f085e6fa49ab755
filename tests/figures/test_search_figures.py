from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from normscope.figures.search_contours import draw_search_contours, pairs, search_contours
from normscope.figures.search_coordinates import draw_search_coordinates, search_coordinates
from normscope.figures.search_history import draw_search_history, search_history
from normscope.figures.search_importances import draw_search_importances
from normscope.normalization import IMAGENET
from normscope.studies.ranges import parse_ranges
from normscope.studies.search_presets import SEARCH_PRESETS
from normscope.studies.search_specification import SearchSpec
from normscope.studies.search_study import SearchTrial


@pytest.fixture
def made_search(spec):
    """A function that makes a search of drawn points from its ranges."""

    def make(over, trials=30, data=IMAGENET):
        base = replace(spec, normalization=data)
        specification = SearchSpec(base, data, parse_ranges(over), "tpe", trials, 0)
        rng = np.random.default_rng(0)
        made = []
        for number in range(trials):
            values = {
                r.name: float(r.low * (r.high / r.low) ** rng.random())
                if r.log
                else float(rng.uniform(r.low, r.high))
                for r in specification.over
            }
            accuracy = 0.9 - 0.1 * (number == 0) - 0.01 * abs(next(iter(values.values())))
            made.append(SearchTrial(number, values, accuracy, accuracy, base))
        return SimpleNamespace(specification=specification, trials=lambda: made)

    return make


def test_the_nine_panels_of_a_colour_search(made_search):
    study = made_search(SEARCH_PRESETS["rgb-coarse"].over)
    numbers = search_contours(study)
    assert numbers.columns == 3
    names = [(panel.x.name, panel.y.name) for panel in numbers.panels]
    assert names == [(f"mean-{m}", f"std-{s}") for s in "rgb" for m in "rgb"]
    assert numbers.panels[0].references == {"data": (0.485, 0.229), "half": (0.5, 0.5)}
    figure = draw_search_contours(numbers)
    axes = [a for a in figure.axes if a.get_xlabel()]
    assert len(axes) == 9
    assert {a.get_yscale() for a in axes} == {"log"}
    assert {a.get_xlim() for a in axes} == {(-1.0, 2.0)}
    for panel, shown in zip(numbers.panels, axes, strict=True):
        best, data, half = shown.get_lines()
        assert best.get_xydata().tolist() == [panel.values[numbers.scores.argmax()].tolist()]
        assert data.get_xydata().tolist() == [list(panel.references["data"])]
        assert half.get_xydata().tolist() == [[0.5, 0.5]]
        dots = shown.collections[-1]
        assert dots.get_offsets().tolist() == panel.values.tolist()
        assert dots.get_array().tolist() == numbers.scores.tolist()
        ticks = [text.get_text() for text in shown.get_yticklabels()]
        assert (float(ticks[0]), float(ticks[-1])) == (panel.y.low, panel.y.high)


def test_every_pair_of_a_search_over_few(made_search):
    over = ["mean=-1:2", "std=0.1:1:log", "lr=0.1:1", "weight-init=0.1:2"]
    numbers = search_contours(made_search(over, trials=19))
    assert len(numbers.panels) == 6
    assert numbers.panels[0].references == {}  # no point of the trial's has a learning rate
    axes = [a for a in draw_search_contours(numbers).axes if a.get_xlabel()]
    assert len(axes) == 6
    # Between a few trials there is no map: each panel has its dots alone.
    assert [len(a.collections) for a in axes] == [1] * 6
    assert pairs(parse_ranges(["mean=0:1"])) == ([], 1)


def test_trials_on_one_line_have_no_map_between_them(made_search):
    study = made_search(["mean=-1:2", "std=0.1:1"])
    assert len(draw_search_contours(search_contours(study)).axes[0].collections) > 1
    on_a_line = [
        replace(trial, values={"mean": i / 10 - 1, "std": 0.1 + 0.3 * i / 10})
        for i, trial in enumerate(study.trials())
    ]
    study.trials = lambda: on_a_line
    figure = draw_search_contours(search_contours(study))
    (dots,) = figure.axes[0].collections
    assert len(dots.get_offsets()) == 30


def test_the_history_keeps_the_best_so_far(made_search):
    study = made_search(["mean=-1:2", "std=0.1:1"])
    numbers = search_history(study, {"score": 0.95, "score_se": 0.01})
    assert (np.diff(numbers.best_so_far) >= 0).all()
    assert numbers.best_so_far[-1] == numbers.scores.max()
    figure = draw_search_history(numbers)
    (axes,) = figure.axes
    assert axes.get_legend() is None  # it would hide trials
    assert len(figure.legends) == 1
    assert axes.get_ylim()[1] > 0.95
    trials, best, honest = axes.get_lines()
    # As the page's table numbers them.
    assert trials.get_xdata().tolist() == [trial.number for trial in study.trials()]
    assert trials.get_ydata().tolist() == numbers.scores.tolist()
    assert best.get_ydata().tolist() == numbers.best_so_far.tolist()
    assert set(honest.get_ydata()) == {0.95}
    (band,) = axes.patches
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((0.94, 0.96))
    axes = draw_search_history(search_history(study, None)).axes[0]
    assert [line.get_label() for line in axes.get_lines()] == ["trial", "best so far"]


def test_lines_across_the_parameters_end_with_the_best(made_search):
    numbers = search_coordinates(made_search(["mean=-1:2", "std=0.1:1:log", "lr=0.1:1"]))
    assert numbers.places.shape == (30, 3)
    assert ((numbers.places >= 0) & (numbers.places <= 1)).all()
    assert (np.diff(numbers.scores) >= 0).all()
    axes = draw_search_coordinates(numbers).axes[0]
    assert axes.get_lines()[0].get_ydata() == pytest.approx(numbers.places[-1])


def test_importances_are_sorted():
    figure = draw_search_importances({"std": 0.25, "mean": 0.75})
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["std", "mean"]
    assert [bar.get_width() for bar in axes.patches] == [0.25, 0.75]
