"""Tables and commands of pages can be read whole, in windows of any width."""

from __future__ import annotations

import pytest

import normscope

CUT_OFF = """() => [...document.querySelectorAll('.scroll')].filter(
  box => box.querySelector('table') && box.scrollWidth > box.clientWidth).length"""
LINES_FILLED = """() => {
  const range = document.createRange();
  return [...document.querySelectorAll('pre .word')].every(word => {
    range.selectNodeContents(word);
    const lines = [...range.getClientRects()], edge = word.parentElement.clientWidth;
    return lines.slice(0, -1).every(line => line.width > 0.8 * edge);
  });
}"""


@pytest.mark.parametrize("width", [390, 1000])
def test_a_scan(open_page, made_up_study, width):
    normscope.report(made_up_study)
    page = open_page(made_up_study / "report.html", width=width)
    assert page.locator("#cells tbody tr").count()
    assert page.evaluate(CUT_OFF) == 0


def test_a_search(open_page, tmp_path):
    search = normscope.search(
        "digits", over=["mean=-1:2", "std=0.05:2:log"], trials=2, replicates=1, epochs=1,
        train_images=100, out=tmp_path / "search", workers=1,
    )  # fmt: skip
    normscope.report(search.folder)
    page = open_page(search.folder / "report.html", width=390)
    assert page.locator(".repeats").count() == 2
    assert page.evaluate(CUT_OFF) == 0
    assert "--norm=" in page.locator("pre").first.inner_text()
    assert page.evaluate(LINES_FILLED)
    page = open_page(search.folder / "report.html", width=1280)
    widths = page.evaluate("[...document.querySelectorAll('section')].map(s => s.offsetWidth)")
    assert len(set(widths)) == 1
