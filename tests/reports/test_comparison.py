"""Trained studies side by side."""

from __future__ import annotations

import json

import numpy as np
import pytest

import normscope
from normscope.normalization import NONE
from normscope.reports.comparing import compare
from normscope.studies.study import Study
from tests.reports.conftest import made_up


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Four epochs and one; and four again with other seeds."""
    folder = tmp_path_factory.mktemp("trained")
    for name, epochs, first_seed in (("long", 4, 0), ("short", 1, 0), ("again", 4, 40)):
        normscope.scan(
            "digits", mean="0,0.5", std="1", seeds=6, first_seed=first_seed, epochs=epochs,
            train_images=300, workers=1, out=folder / name,
        )  # fmt: skip
    return folder


def accuracies(folder):
    """By normalization, of the runs that learned."""
    found = {}
    for trial in Study.open(folder).trials():
        if trial.result.outcome not in {"stuck", "died", "diverged"}:
            found.setdefault(trial.spec.normalization, []).append(trial.result.accuracy)
    return found


def test_differences_are_those_of_the_runs(folders, tmp_path):
    comparison = compare([folders / "long", folders / "short"], tmp_path / "page.html")
    long, short = (accuracies(folders / name) for name in ("long", "short"))
    found = {d.normalization: d for d in comparison.studies[1].differences}
    assert NONE in found
    assert len(found) == len(long.keys() & short.keys())
    for normalization, difference in found.items():
        value = np.mean(short[normalization]) - np.mean(long[normalization])
        if len(short[normalization]) == len(long[normalization]) == 6:
            assert difference.value == pytest.approx(value)
        assert -1 <= difference.low < difference.value < difference.high <= 1
    # Three epochs more are a gain everywhere, and no chance.
    assert {d.verdict for d in found.values()} <= {"worse", "open"}
    worse = sum(d.verdict == "worse" for d in found.values())
    assert worse >= 2
    assert comparison.sentences[0].startswith(
        f"{folders / 'short'} against {folders / 'long'}, at {len(found)} normalizations that both "
        f"tried: {worse} worse"
    )
    assert comparison.settings == {"recipe.epochs": [4, 1]}
    assert "recipe.epochs" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_other_seeds_of_the_same_are_not_told_apart(folders, tmp_path):
    comparison = compare([folders / "long", folders / "again"], tmp_path / "page.html")
    found = comparison.studies[1].differences
    assert {d.verdict for d in found} == {"open"}
    assert sum(d.low <= 0 <= d.high for d in found) >= len(found) - 1
    assert comparison.sentences[0] == (
        f"Not settled: at none of the {len(found)} normalizations that both tried can "
        f"{folders / 'again'} be told from {folders / 'long'}; run more seeds of each."
    )
    assert comparison.settings == {}
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "a cell may be not settled though its interval leaves out 0." in page
    json.dumps(comparison.to_json(), allow_nan=False)


@pytest.mark.thorough
def test_studies_of_failures_alone_are_compared_by_where_runs_fail(tmp_path, open_page):
    folders = []
    for name, dies_from in (("near", 1.0), ("far", 1.9), ("never", 9.0)):
        folder = tmp_path / name
        made_up(folder, "-2:2.6:7", seeds=0, survival=12, dies_from=dies_from, model=f"{name}-net")
        folders.append(folder)
    comparison = compare(folders, tmp_path / "page.html")
    assert comparison.sentences == [
        "In the data's own stds, one run in ten or more fails from a mean this far off (in "
        "brackets the 95 % interval of the share there): "
        f"4.1 in {folders[0]} (72 % to 100 %), 6.1 in {folders[1]} (71 % to 100 %), "
        f"none up to 6.1 in {folders[2]}."
    ]
    page = open_page(tmp_path / "page.html", width=390)
    text = page.locator("main").inner_text()
    assert "highest at" not in text
    assert "Cell by cell" not in text
    assert "-2:2.6:7" not in text
    assert page.locator("table tbody tr").nth(0).inner_text().split("\t")[-1] == "240 of 444"
