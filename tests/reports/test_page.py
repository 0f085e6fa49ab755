"""The report page in headless Chromium: it opens alone, answers the mouse and the keyboard."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import normscope
from normscope.cli.app import run
from normscope.errors import NormscopeError
from normscope.models.building import build_model
from normscope.reports.commands import scan_command
from normscope.reports.comparing import compare
from normscope.reports.page_data import colours
from normscope.studies.study import Study

from .conftest import HOSTILE, made_up

ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "report"
LARGEST_BYTES = 6_000_000


@pytest.fixture(scope="module")
def reported(made_up_study):
    normscope.report(made_up_study)
    return made_up_study / "report.html"


def test_hover_shows_the_cell_its_seeds_and_interval(open_page, reported):
    page = open_page(reported)
    cells = page.locator("#map [role=gridcell]")
    assert cells.count() == 30
    cells.nth(7).hover()
    detail = page.locator("#detail").inner_text()
    assert re.search(r"accuracy\s+0\.\d{4} ± 0\.\d{4}", detail)
    assert re.search(r"by seed\s+(0\.\d{4}(, )?){4}", detail)
    assert re.search(
        r"difference from the reference\s+.?0\.\d{4} \(.?0\.\d{4} to .?0\.\d{4}\)", detail
    )
    before = page.locator("#picked").inner_text()
    cells.nth(7).click()
    assert page.locator("#picked").inner_text() != before


def test_the_keyboard_reaches_every_cell(open_page, reported):
    page = open_page(reported)
    page.locator("#map [role=gridcell][tabindex='0']").focus()
    first = page.locator("#detail").inner_text()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.dataset.cell") == "6"
    assert page.locator("#detail").inner_text() != first
    page.keyboard.press("Enter")
    assert len(page.locator("#picked .picked").all_inner_texts()) == 3
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.cell") == "5"


def test_every_view_is_drawn(open_page, reported):
    page = open_page(reported)
    fills = set()
    for view in ("accuracy", "verdict", "bound", "noise"):
        page.locator(f"input[value={view}]").first.check()
        fills.add(page.locator("#map").inner_html())
        assert page.locator("#legend").inner_text()
    assert len(fills) == 4
    # From a handful of cells there is no smooth map.
    assert page.locator("input[value=smooth]").count() == 0
    page.locator("input[value=loss]").check()
    assert page.locator("#curves path").count() == 8


def test_seven_values_of_each_axis_have_a_smooth_map(open_page, tmp_path):
    folder = made_up(tmp_path / "fine", "-1:1:7", "0.1:2:7:log", seeds=3)
    normscope.report(folder)
    page = open_page(folder / "report.html")
    page.locator("input[value=smooth]").check()
    assert page.locator("#map path.contour").count() > 0


def test_a_study_of_failures_alone_shows_no_accuracy(open_page, tmp_path):
    folder = made_up(tmp_path / "failures", "-2:3:7", seeds=0, survival=5, dies_from=1.6)
    counts = normscope.report(folder).counts
    assert re.fullmatch(r"(\d+) of \1 short trials that only count failures", counts)
    page = open_page(folder / "report.html", theme="dark")
    headings = page.locator("h2").all_inner_texts()
    assert headings[:2] == ["Failed runs", "Chance of failing, smoothed over all cells"]
    of_accuracies = {"Why accuracies differ", "How far you may move"}
    assert not (of_accuracies | {"Learning curves of the picked cells"}) & set(headings)
    assert page.locator("#cells th").all_inner_texts() == ["mean/std", "mean", "std", "failed ↓"]
    assert "none learned" not in page.locator("main").inner_text()
    assert "verdict" not in page.locator("#detail").inner_text()
    assert page.locator("#views input").count() == 0
    chances = [
        cell.get_attribute("aria-label") for cell in page.locator("#map [role=gridcell]").all()
    ]
    assert "5 seeds a cell for failures alone, " in page.locator("p.note").nth(1).inner_text()
    far, near = chances[0], chances[15]
    assert re.search(r"fails with a chance of \d+ %", far)
    assert re.search(r"fails with a chance of 0(\.\d+)? %|of [1-9](\.\d)? %", near)


def test_the_table_sorts_and_filters(open_page, reported):
    page = open_page(reported)

    def column(k):
        return [float(t) for t in page.locator(f"#cells tbody td:nth-child({k})").all_inner_texts()]

    assert column(4) == sorted(column(4), reverse=True)
    page.get_by_role("button", name="accuracy").click()
    assert column(4) == sorted(column(4))
    page.get_by_role("button", name="std", exact=True).click()
    assert column(3) == sorted(column(3))
    page.locator("#filter").fill("worse")
    assert 0 < page.locator("#cells tbody tr").count() < 32
    assert "of 32" in page.locator("#count").inner_text()
    page.locator("#filter").fill("reference")
    assert page.locator("#cells tbody tr td:nth-child(1)").all_inner_texts() == ["0.3055/0.3761"]


@pytest.mark.parametrize(("name", "width"), [("wide", 1280), ("narrow", 390)])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_the_window_in_both_themes(open_page, reported, name, width, theme):
    page = open_page(reported, width=width, theme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(20, 24, 28)") == (theme == "dark")
    page.locator("#map [role=gridcell]").nth(8).hover()
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}-{theme}.png", full_page=True)
    page.locator("#theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != back


def test_names_with_html_appear_as_text(open_page, hostile_study):
    normscope.report(hostile_study)
    page = open_page(hostile_study / "report.html")
    title = page.locator("h1").inner_text()
    assert HOSTILE in title
    assert "<script>alert(2)" in title
    assert page.locator("img").count() == 0


def test_the_page_is_small_and_complete(reported, made_up_study):
    html = reported.read_text(encoding="utf-8")
    assert len(html.encode()) < LARGEST_BYTES
    summary = json.loads((made_up_study / "summary.json").read_text(encoding="utf-8"))
    assert summary["answer"] in html.replace("&#39;", "'")
    again = "normscope scan digits --mean=-2:3:6 --std=0.02:2:5:log --seeds=4"
    assert again in re.sub("<[^>]+>", "", html)
    assert "[recipe]" in html
    assert "made up" in html


def test_the_largest_study_stays_below_six_megabytes(tmp_path):
    folder = made_up(tmp_path / "large", "-2:3:5", "0.02:2:5:log", seeds=3, epochs=1000)
    normscope.report(folder)
    assert (folder / "report.html").stat().st_size < LARGEST_BYTES


def test_one_seed_says_that_nothing_is_proved(open_page, tmp_path):
    folder = made_up(tmp_path / "one", "0,1", "0.5,1", seeds=1)
    normscope.report(folder)
    page = open_page(folder / "report.html")
    assert "add seeds=5" in page.locator("header").inner_text()
    # Four cells, and the images' own statistics.
    assert page.locator("#cells tbody tr").count() == 5


def test_the_command_quotes_what_a_shell_would_read(hostile_study):
    line = scan_command(Study.open(hostile_study).specification)
    assert line.startswith("normscope scan '<img src=x onerror=alert(1)>' --mean=0,0.5")


def test_colours_grow_lighter_all_the_way():
    # A map that stays readable without hue: luminance alone orders it (ITU-R BT.709 weights).
    light = [
        sum(w * int(c[i : i + 2], 16) for w, i in ((0.2126, 1), (0.7152, 3), (0.0722, 5)))
        for c in colours()
    ]
    assert light == sorted(light)


def test_studies_side_by_side(open_page, made_up_study, tmp_path, capsys):
    other = made_up(tmp_path / "other", mean="-2,0,1", std="0.02:2:5:log", seeds=3)
    out = tmp_path / "comparison.html"
    assert run(["report", str(made_up_study), str(other), "--out", str(out), "--json", "-"]) == 0
    written = json.loads(capsys.readouterr().out)
    # -2, 0 and 1 with five stds, and both references.
    assert len(written["studies"][1]["differences"]) == 17
    assert "17 normalizations that both tried" in written["sentences"][0]
    page = open_page(out)
    assert page.locator("#cells tbody tr").count() == 17
    verdicts = set(page.locator("#cells tbody td:last-child").all_inner_texts())
    assert verdicts <= {"better", "worse", "as good", "not settled"}
    assert written["sentences"][0] in page.locator("header").inner_text()
    assert run(["report", str(made_up_study), str(other), "--out", str(out)]) == 0
    assert "both tried" in " ".join(capsys.readouterr().out.split())


def test_where_trainings_fail_is_laid_over_each_other(open_page, tmp_path, capsys):
    folders = [made_up(tmp_path / name, dies_from=far) for name, far in (("A", 2.0), ("B", 1.2))]
    out = tmp_path / "comparison.html"
    assert run(["report", *map(str, folders), "--out", str(out), "--json", "-"]) == 0
    # The nearest means that die: 3 and -1, of images with mean 0.3055 and std 0.3761.
    expected = (
        "In the data's own stds, one run in ten or more fails from a mean this far off (in "
        "brackets the 95 % interval of the share there): "
        f"6.1 in {folders[0]} (42 % to 100 %), 3.5 in {folders[1]} (46 % to 100 %)."
    )
    assert json.loads(capsys.readouterr().out)["sentences"][-1] == expected
    page = open_page(out)
    assert page.locator("section img").count() == 1
    assert expected in page.locator("header").inner_text()


def test_a_comparison_needs_two(made_up_study, tmp_path):
    with pytest.raises(NormscopeError) as error:
        compare([made_up_study], tmp_path / "out.html")
    assert str(error.value) == (
        "a comparison must have at least two studies, got 1. Name another folder."
    )
    with pytest.raises(NormscopeError) as error:
        compare([made_up_study, made_up_study / ".." / made_up_study.name], tmp_path / "out.html")
    assert str(error.value) == (
        f"each study must be given once, got {made_up_study.resolve()} twice. Leave one out."
    )


def test_margin_and_reference_from_the_command_line(made_up_study, capsys):
    call = ["report", str(made_up_study), "--margin", "0.05", "--reference", "none", "--json", "-"]
    assert run(call) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["margin"] == 0.05
    assert said["findings"]["reference"] == {"mean": 0.0, "std": 1.0}
    assert run(["report", str(made_up_study), "--reference", "9/9"]) == 2
    assert "--reference must be a cell of the grid" in capsys.readouterr().err


def test_a_searchs_page_has_its_panels_and_trials(open_page, tmp_path):
    normscope.search(
        "digits", over=["mean=-1:1", "std=0.1:1:log"], trials=4, sampler="random", replicates=2,
        epochs=1, train_images=60, workers=1, out=tmp_path / "search",
    )  # fmt: skip
    assert run(["report", str(tmp_path / "search")]) == 0
    page = open_page(tmp_path / "search" / "report.html")
    assert page.locator("img").count() >= 3
    # Colours of a map mean the same on a dark page.
    page.emulate_media(color_scheme="dark")
    filters = {
        panel.locator("h2").inner_text(): panel.locator("img").evaluate(
            "image => getComputedStyle(image).filter"
        )
        for panel in page.locator("section:has(img)").all()
    }
    assert filters["Where accuracy is high"] == filters["The best configurations"] == "none"
    assert "invert" in filters["History"]
    page.emulate_media(color_scheme="light")
    assert page.locator("#cells tbody tr").count() == 4
    assert page.locator("th", has_text="the best is").count() == 1
    assert page.get_by_role("cell", name="not settled").count() == 2
    assert page.locator("#trials circle").count() == 4
    assert page.locator("#trials circle.best").get_attribute("cx") is not None
    page.locator("#trials circle").first.focus()
    worst = page.locator("#trial").inner_text()
    assert worst.startswith("trial ")
    assert "validation 0." in worst
    # The dots are one tab stop, and the arrow keys lead from it to each.
    stop = page.locator("#trials circle[tabindex='0']")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    met = set()
    for _ in range(4):
        assert stop.count() == 1
        met.add(page.locator("#trial").inner_text())
        page.keyboard.press("ArrowLeft")
    assert len(met) == 4
    # Another number across: the dots move, and a known value has no place by it.
    assert page.locator("#trials rect.known").count() == 2
    before = page.locator("#trials circle.best").get_attribute("cx")
    page.locator("#axes select").first.select_option(label="trial")
    assert page.locator("#trials circle.best").get_attribute("cx") != before
    assert page.locator("#trials rect.known").count() == 0
    line = page.locator("pre").first.inner_text()
    assert line.startswith("normscope search digits --over=mean=-1.0:1.0 --over=std=0.1:1.0:log")
    assert "--trials=4 --sampler=random --replicates=2" in line


def test_frozen_networks_are_compared(open_page, tmp_path, capsys):
    torch.manual_seed(0)
    weights = tmp_path / "lenet.safetensors"
    save_file(build_model("lenet", channels=1, classes=10, image_size=(8, 8)).state_dict(), weights)
    call = ["scan", "digits", "--recipe", "frozen", "--weights", str(weights), "--std", "0.5,1"]
    for name, means in (("one", "0,0.5"), ("two", "0.5,1")):
        out = str(tmp_path / name)
        assert run([*call, "--mean", means, "--workers", "1", "--out", out]) == 0
    capsys.readouterr()
    folders, page = [str(tmp_path / "one"), str(tmp_path / "two")], tmp_path / "both.html"
    assert run(["report", *folders, "--out", str(page), "--json", "-"]) == 0
    differences = json.loads(capsys.readouterr().out)["studies"][1]["differences"]
    # Two cells, and the references: the same network on the same images.
    assert len(differences) >= 3
    assert all(d["value"] == 0 and d["low"] < 0 < d["high"] for d in differences)
    assert page.is_file()
    # Nothing is trained and nothing drawn at random: neither curves nor errors over seeds.
    shown = open_page(tmp_path / "one" / "report.html")
    headings = " ".join(shown.locator("h2").all_inner_texts())
    assert "Learning curves" not in headings
    assert "Why accuracies differ" not in headings
    assert "How far you may move" in headings
    assert "by seed" not in shown.locator("#detail").inner_text()
    assert "±" not in shown.locator("main").inner_text()
    assert "only the outputs for their classes compete" in shown.locator("header").inner_text()
