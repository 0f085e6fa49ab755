"""The names of axes and their numbers can be read side by side, in windows of any width."""

from __future__ import annotations

import pytest

import normscope

OVERLAPS = """svg => {
  const texts = [...document.querySelectorAll(`${svg} text`)].map(t => t.getBoundingClientRect());
  const name = document.querySelector(`${svg} text[transform]`).getBoundingClientRect();
  const meets = other => other.x < name.right && name.x < other.right
    && other.y < name.bottom && name.y < other.bottom;
  const edge = document.querySelector(svg).getBoundingClientRect();
  return [texts.filter(meets).length, name.x >= edge.x];
}"""


@pytest.mark.parametrize("width", [390, 1280])
def test_the_upward_axis(open_page, made_up_study, width):
    normscope.report(made_up_study)
    page = open_page(made_up_study / "report.html", width=width)
    assert page.evaluate(OVERLAPS, "#map") == [1, True]  # itself


def test_the_upward_axis_of_a_search(open_page, tmp_path):
    search = normscope.search(
        "digits", over=["mean=-1:2", "std=0.05:2:log"], trials=2, replicates=0, epochs=1,
        train_images=100, out=tmp_path / "search", workers=1,
    )  # fmt: skip
    normscope.report(search.folder)
    page = open_page(search.folder / "report.html", width=390)
    assert page.evaluate(OVERLAPS, "#trials") == [1, True]
