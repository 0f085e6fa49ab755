"""The site's search finds options: its engine takes a leading hyphen for a "not"."""

from __future__ import annotations

from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "docs" / "search.js"


def test_hyphens_in_front_of_words_are_not_searched_for(open_page, tmp_path):
    path = tmp_path / "page.html"
    script = f"<script>{SCRIPT.read_text(encoding='utf-8')}</script>"
    fields = '<input class="md-search__input" id="search"><input id="other">'
    path.write_text(f"<!doctype html><meta charset=utf-8>{fields}{script}", encoding="utf-8")
    page = open_page(path)
    page.locator("#search").press_sequentially("--fail-over -o x-y")
    assert page.locator("#search").input_value() == "fail-over o x-y"
    page.locator("#other").press_sequentially("--x")
    assert page.locator("#other").input_value() == "--x"
