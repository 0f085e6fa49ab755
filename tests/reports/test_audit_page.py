"""The page of an audit in headless Chromium."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from normscope.auditing.audit_numbers import Cost, PipelineUnderTest, Priced, Reference
from normscope.auditing.audit_result import Audit
from normscope.auditing.pairing import accuracy_lost, share
from normscope.figures.audit_prices import audit_prices, draw_audit_prices
from normscope.normalization import IMAGENET
from normscope.reports.audit_page import write_audit

from .conftest import HOSTILE

ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "audit"


def cost(lost, images=1000, drift=None):
    reference = [True] * 600 + [False] * 400
    other = [True] * (600 - lost) + [False] * (400 + lost)
    price, interval = accuracy_lost(reference, other)
    disagreement, around = share([True] * abs(lost) + [False] * (images - abs(lost)))
    return Cost(0.6 - price, price, interval, disagreement, around, drift or {}, images)


def unlabelled(found: Cost) -> Cost:
    return replace(found, accuracy=None, lost=None, interval=None, drift={"bn1": 0.3})


@pytest.fixture
def made_up_audit():
    prices = {"none": 227, "bgr": 198, "half": 36, "jpeg-75": 1, "bicubic": -19}
    return Audit(
        model="squeezenet1_1",
        source="photos",
        images=1000,
        classes=1000,
        most_frequent=0.001,
        preparation="shorter side 256, centre crop 224",
        reference=Reference(IMAGENET, *share([True] * 600 + [False] * 400), {}),
        mistakes=[
            *(Priced(name, f"{name}, as it is done", cost(lost)) for name, lost in prices.items()),
            Priced("exif", "Exif", None, "no image carries an Exif orientation"),
        ],
        tested=PipelineUnderTest("mine.data:prepare", cost(227), "none", 1.0, 0.01),
        skipped=(),
        options={"norm": "imagenet", "resize": 256, "fail_over": 0.01, "upright": False},
        settings={"processor": "made up"},
        seconds=12.0,
    )


def test_rows_are_ranked_with_prices_and_reasons(open_page, made_up_audit, tmp_path):
    numbers, figure, page_file = write_audit(made_up_audit, tmp_path / "out")
    assert figure.read_bytes()[:4] == b"\x89PNG"
    assert json.loads(numbers.read_text(encoding="utf-8")) == made_up_audit.to_json()
    page = open_page(page_file)
    names = page.locator("#prices tbody th").all_inner_texts()
    assert names == ["pipeline", "reference", "none", "bgr", "half", "jpeg-75", "bicubic"]
    row = page.locator("#prices tbody tr").nth(2).locator("td").all_inner_texts()
    assert [text.strip() for text in row[:-1]] == ["0.227", "0.201 to 0.253", "0.373", "0.227"]
    assert "no image carries an Exif orientation" in page.locator("main").inner_text()
    assert page.locator(".answer").inner_text() == (
        "Yes: the pipeline mine.data:prepare costs 0.23 of accuracy (95 % interval 0.201 to 0.253);"
        " fix it: none, as it is done."
    )
    assert "answers most like none" in page.locator("header").inner_text()
    assert page.locator("img").count() == 1
    assert page.locator("pre").inner_text() == (
        "normscope audit squeezenet1_1 --images=photos --norm=imagenet --resize=256 "
        "--fail-over=0.01"
    )


def test_without_labels_the_price_is_disagreement(open_page, made_up_audit, tmp_path):
    audit = replace(
        made_up_audit,
        classes=None,
        most_frequent=None,
        tested=None,
        reference=Reference(IMAGENET, None, None, {"bn1": 0.1}),
        mistakes=[replace(m, cost=m.cost and unlabelled(m.cost)) for m in made_up_audit.mistakes],
    )
    page = open_page(write_audit(audit, tmp_path)[-1])
    heads = page.locator("#prices thead th").all_inner_texts()
    assert heads == ["mistake", "disagreement", "95 % interval", "drift", "what is done"]
    reference = page.locator("#prices tbody tr").first.locator("td").all_inner_texts()
    assert reference[-2] == "0.1"
    assert "no more accuracy than that can be lost" in page.locator("header").inner_text()


@pytest.mark.parametrize(("name", "width"), [("wide", 1280), ("narrow", 390)])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_the_window_in_both_themes(open_page, made_up_audit, tmp_path, name, width, theme):
    page = open_page(write_audit(made_up_audit, tmp_path)[-1], width=width, theme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}-{theme}.png", full_page=True)


def test_names_with_html_appear_as_text(open_page, made_up_audit, tmp_path):
    hostile = replace(
        made_up_audit, source=HOSTILE, tested=replace(made_up_audit.tested, name=HOSTILE + "$x_")
    )
    page = open_page(write_audit(hostile, tmp_path)[-1])
    assert HOSTILE in page.locator("h1").inner_text()
    assert page.locator("img").count() == 1


def test_nothing_to_price_still_makes_a_page(open_page, made_up_audit, tmp_path):
    empty = replace(made_up_audit, mistakes=made_up_audit.mistakes[-1:], tested=None)
    _, page_file = write_audit(empty, tmp_path)
    page = open_page(page_file)
    said = "No: no usual mistake can be made here; nothing to do."
    assert page.locator(".answer").inner_text() == said


def test_the_figures_numbers(made_up_audit):
    prices = audit_prices(made_up_audit)
    assert prices.names[0] == "none"
    assert prices.names[-1] == "mine.data:prepare"
    assert prices.prices.tolist() == [0.227, 0.198, 0.036, 0.001, -0.019, 0.227]
    assert (prices.low < prices.prices).all()
    assert (prices.prices < prices.high).all()
    figure = draw_audit_prices(prices)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [
        "95 % interval above 0", "95 % interval holds 0", "95 % interval below 0",
        "pipeline under test",
    ]  # fmt: skip
    heights = figure.axes[0].get_yticks()
    assert list(heights) == sorted(heights, reverse=True)


def test_a_narrow_window_shows_each_mistake_with_its_price(open_page, made_up_audit, tmp_path):
    drifting = [
        replace(m, cost=m.cost and replace(m.cost, drift={"bn1": 0.3}))
        for m in made_up_audit.mistakes
    ]
    reference = replace(made_up_audit.reference, drift={"bn1": 0.1})
    audit = replace(made_up_audit, mistakes=drifting, reference=reference)
    page = open_page(write_audit(audit, tmp_path)[-1], width=390)
    assert "drift" in page.locator("#prices thead").inner_text()
    fits = "(e => e.scrollWidth <= e.clientWidth)(document.querySelector('.prices'))"
    assert page.evaluate(fits)
    assert "bgr, as it is done" in page.locator("#prices tbody tr").nth(3).inner_text()
