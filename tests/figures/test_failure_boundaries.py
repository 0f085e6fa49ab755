"""The lines on which half of the trainings fail, of several studies."""

from __future__ import annotations

import numpy as np

from normscope.figures.failure_boundaries import FailureBoundary, draw_failure_boundaries


def boundary(step: float) -> FailureBoundary:
    """No training fails below a distance of ``step``, and every one above."""
    distance, factor = (a.ravel() for a in np.meshgrid(np.arange(-4.0, 5.0), [0.1, 1.0, 10.0]))
    failed = distance > step
    return FailureBoundary(distance, factor, failed.astype(float), failed)


def test_lines_lie_where_half_of_the_trainings_fail():
    (axes,) = draw_failure_boundaries({"A": boundary(0.5), "B": boundary(2.5)}).axes
    lines = [np.concatenate([path.vertices for path in c.get_paths()]) for c in axes.collections]
    assert [np.unique(line[:, 0]).round(6).tolist() for line in lines] == [[0.5], [2.5]]
    assert all(line[:, 1].min() == 0.1 and line[:, 1].max() == 10.0 for line in lines)
    legend = axes.figure.legends[0]
    names = ["A", "B", "tried, no run failed"]
    assert [text.get_text() for text in legend.get_texts()] == names


def test_every_mark_is_seen():
    (axes,) = draw_failure_boundaries({"A": boundary(0.5), "B": boundary(2.5)}).axes
    drawn = [
        line for line in axes.get_lines() if line.get_marker() in "os" and len(line.get_xdata())
    ]
    assert [line.get_xdata().min() for line in drawn] == [1, 3]
    # Of two studies at one place neither hides the other, and none is cut off at the edge.
    assert drawn[0].get_markersize() < drawn[1].get_markersize()
    assert axes.get_xlim()[0] < -4
    assert axes.get_xlim()[1] > 4
    assert axes.get_ylim()[0] < 0.1
    assert axes.get_ylim()[1] > 10


def test_without_a_boundary_no_line_is_drawn():
    none = FailureBoundary(np.arange(3.0), np.ones(3), None, np.zeros(3, bool))
    row = FailureBoundary(np.arange(3.0), np.ones(3), np.array([0, 0, 1.0]), np.arange(3) == 2)
    (axes,) = draw_failure_boundaries({"none": none, "one std": row}).axes
    assert len(axes.collections) == 0
