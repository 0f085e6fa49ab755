from __future__ import annotations

import json

import numpy as np
import pytest

from normscope.article.agreement import Row
from normscope.article.published import EXPERIMENTS
from normscope.article.running import run_article
from normscope.article.setting import Setting
from normscope.cli.app import run
from normscope.errors import NormscopeError, UnknownName
from normscope.statistics.stats import stats


def test_the_experiments_are_listed_a_line_each(capsys):
    assert run(["article"]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 1 + len(EXPERIMENTS)
    assert "doi:10.5281/zenodo.14602370" in lines[0]
    assert run(["article", "--json", "-"]) == 0
    listed = json.loads(capsys.readouterr().out)["experiments"]
    assert [e["name"] for e in listed] == list(EXPERIMENTS)


def test_an_unknown_experiment(tmp_path):
    with pytest.raises(UnknownName, match="Did you mean 'lenet-grid'"):
        run_article("lenet-gird", Setting(out=tmp_path))


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (Row("", 0.99, 0.991, 0.001, 3), "agrees"),
        (Row("", 0.99, 0.995, 0.001, 3), "differs"),
        (Row("", 0.1306, 0.130563, 0.0), "exact"),
        (Row("", 0.1306, 0.13066, 0.0), "differs"),
        (Row("", 0.99, 0.98, None), "single"),
        (Row("", 0.99, 0.5, 0.001, 3, shrunk=True), "shrunk"),
    ],
)
def test_agreement_by_hand(row, verdict):
    assert row.verdict == verdict


def test_mnists_statistics_are_the_published_ones(real_data, tmp_path):
    (outcome,) = run_article("mnist-statistics", Setting(out=tmp_path, root=real_data))
    assert {row.verdict for row in outcome.rows} == {"exact"}


def test_the_first_layer_is_kaimings_uniform(tmp_path):
    (outcome,) = run_article("first-layer", Setting(out=tmp_path))
    assert {row.verdict for row in outcome.rows} <= {"agrees", "exact"}
    (std,) = [row for row in outcome.rows if row.label == "weight std"]
    # A uniform law between -1/3 and 1/3.
    assert std.measured == pytest.approx(1 / np.sqrt(27), rel=0.01)


def test_lenet_by_its_own_protocol_and_the_grid_on_digits(tmp_path):
    setting = Setting(
        source="digits", seeds=2, epochs=1, train_images=60, grid=2, workers=1, out=tmp_path
    )
    for name, rows in (("lenet-training", 1), ("lenet-points", 4), ("lenet-grid", 10)):
        (outcome,) = run_article(name, setting)
        assert len(outcome.rows) == rows
        assert {row.verdict for row in outcome.rows} == {"shrunk"}
        kept = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        assert kept["rows"][0]["seeds"] == 2
    assert (tmp_path / "lenet-grid" / "report.html").is_file()


def test_searches_on_digits(tmp_path):
    setting = Setting(
        source="digits", seeds=1, epochs=1, train_images=60, trials=2, workers=1, out=tmp_path
    )
    for name in ("lenet-search", "lenet-init-search"):
        (outcome,) = run_article(name, setting)
        assert [row.label for row in outcome.rows] == list(EXPERIMENTS[name].figures)
        assert {row.verdict for row in outcome.rows} == {"shrunk"}


RESNET = {
    "resnet-points": ["imagenet", "half"],
    "resnet-grid": ["best"],
    "resnet-zoom": ["best"],
    "resnet-search": ["best", "best at mean", "best at std"],
    "rgb-coarse": ["best"],
    "rgb-fine": ["best"],
}


@pytest.mark.thorough
def test_a_stand_in_for_resnet_on_imagenet(real_data, real_weights, tmp_path):
    photographs = _few_photographs(real_data / "imagenet-sample" / "val", tmp_path / "images")
    setting = Setting(
        images=str(photographs), model="squeezenet1_1", grid=2, trials=2, workers=1,
        weights=str(real_weights / "squeezenet1_1-imagenet.safetensors"), out=tmp_path / "out",
    )  # fmt: skip
    for name, labels in RESNET.items():
        (outcome,) = run_article(name, setting)
        assert [row.label for row in outcome.rows] == labels
        assert {row.verdict for row in outcome.rows} == {"shrunk"}
        assert "stands in for resnet18" in outcome.notes[0]
    assert (tmp_path / "out" / "resnet-zoom" / "report.html").is_file()
    (outcome,) = run_article("imagenet-statistics", setting)
    assert [row.label for row in outcome.rows] == [
        f"validation {kind} {channel}" for kind in ("mean", "std") for channel in "RGB"
    ]
    assert any("has no train/" in text for text in outcome.notes)
    expected = stats(photographs, batch_size=256, resize=256, crop=224).batch_mean
    assert outcome.rows[0].measured == expected.value[0]


def _few_photographs(source, folder):
    for images in sorted(source.iterdir())[:8]:
        (folder / "val" / images.name).mkdir(parents=True)
        for image in sorted(images.iterdir())[:2]:
            (folder / "val" / images.name / image.name).symlink_to(image)
    return folder


def test_what_is_absent_is_named_and_the_rest_goes_on(tmp_path, monkeypatch):
    from normscope.article import running

    def nothing(_figures, _setting):
        raise NormscopeError("imagenet must be a folder, got none. Give --images.")

    monkeypatch.setattr(running, "RUNNERS", dict.fromkeys(EXPERIMENTS, nothing))
    told = []
    outcomes = run_article("all", Setting(out=tmp_path), told.append)
    assert told == list(EXPERIMENTS)
    assert {o.absent for o in outcomes} == {"imagenet must be a folder, got none. Give --images."}
    with pytest.raises(NormscopeError):
        run_article("resnet-grid", Setting(out=tmp_path))


def test_quick_says_that_it_is_shrunk(tmp_path, capsys):
    call = ["article", "lenet-points", "--quick", "--source", "digits", "--out", str(tmp_path)]
    assert run(call) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Shrunk by --quick" in out
    assert "shrunk or stood in for, not comparable" in out
    assert "One seed each, so a difference of 0.002 is one draw against another." in out
    page = (tmp_path / "lenet-points.html").read_text(encoding="utf-8")
    assert "Shrunk by --quick" in page
    assert "0.144/0.569" in page


def test_an_experiment_runs_again_and_has_a_page_of_its_own(tmp_path, monkeypatch, capsys):
    from normscope.article import running

    monkeypatch.setattr(
        running, "RUNNERS", dict.fromkeys(EXPERIMENTS, lambda *_: ([Row("a", 0.1, 0.1, 0.0)], []))
    )
    for name in ("mnist-statistics", "imagenet-statistics", "all"):
        assert run(["article", name, "--out", str(tmp_path)]) == 0
    pages = {page.stem: page.read_text(encoding="utf-8") for page in tmp_path.glob("*.html")}
    assert set(pages) == {"mnist-statistics", "imagenet-statistics", "article"}
    assert "imagenet-statistics" not in pages["mnist-statistics"]
    assert all("None" not in page for page in pages.values())
    capsys.readouterr()
