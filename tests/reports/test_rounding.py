"""A page rounds as Python does: the same digits for the same numbers."""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from normscope.rounding import fixed
from normscope.wording import percent

HALVES = [0.145, 0.175, 2.675, 0.00005, -0.00005, 1.00005, 0.99995, 0.12345, -0.12345, 1e-7, 5e-324]
PLAIN = [0.0, -0.0, 1.0, 0.5, -1e-9, 123456.78905, 1e15, 2.5e20, -3.5]


def test_in_a_browser(browser):
    rng = np.random.default_rng(0)
    drawn = [
        *(rng.random(300) * 10.0 ** rng.integers(-6, 6, 300)),
        *(rng.integers(0, 2000, 300) / 2000),
    ]
    numbers = [float(x) for x in [*HALVES, *PLAIN, *drawn, *-rng.random(50)]]
    script = (files("normscope.reports") / "assets" / "rounding.js").read_text(encoding="utf-8")
    page = browser.new_page()
    page.add_script_tag(content=script)
    for decimals in (0, 1, 2, 3, 4, 7):
        shown = page.evaluate(
            "([all, n]) => all.map((x) => rounding.fixed(x, n))", [numbers, decimals]
        )
        # Python writes numbers of 1e15 and more by themselves, as a browser does below 1e21.
        assert shown == [fixed(x, decimals) for x in numbers]
    shares = [abs(x) for x in numbers if abs(x) <= 1] + [0.9949, 0.995, 0.9951, 0.9999, 0.0196]
    shares = [x for x in shares if x == 0 or x >= 1e-6]
    shown = page.evaluate("(all) => all.map((x) => rounding.percent(x))", shares)
    assert [f"{x} %" for x in shown] == [percent(x) for x in shares]
    page.close()


def test_nothing_on_a_page_is_rounded_another_way():
    assets = files("normscope.reports") / "assets"
    for file in assets.iterdir():
        text = file.read_text(encoding="utf-8")
        assert ".toFixed(" not in text or file.name == "rounding.js"
        left = text.replace('%;width:{{ "%.1f"|format(', "")  # of a bar
        assert 'f"|format(' not in left or file.name == "audit.html", file.name
