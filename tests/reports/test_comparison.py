"""Trained studies side by side."""

from __future__ import annotations

import json
from dataclasses import replace

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


def test_the_table_has_the_accuracies_that_differ_with_the_digits_that_they_deserve(
    folders, tmp_path
):
    comparison = compare([folders / "long", folders / "short"], tmp_path / "page.html")
    headings, rows = comparison.table
    assert headings == [
        "study", "answer", "seeds", "failed", "grid's best", "data's own", "not normalized"
    ]  # fmt: skip
    for row, name in zip(rows, ("long", "short"), strict=True):
        means = {n: np.mean(values) for n, values in accuracies(folders / name).items()}
        found = dict(zip(headings, row, strict=True))
        assert found["study"] == str(folders / name)
        assert found["seeds"] == "6"
        own, none = means[Study.open(folders / name).specification.data], means[NONE]
        best = max((value, n) for n, value in means.items() if n.std == (1.0,))
        for said, value in [(found["data's own"], own), (found["not normalized"], none)]:
            assert float(said) == pytest.approx(value, abs=0.006)
            assert len(said) <= len("0.123")
        value, place = found["grid's best"].split(" at ")
        assert float(value) == pytest.approx(best[0], abs=0.006)
        assert place == f"{best[1]:.4g}"


def test_other_seeds_of_the_same_are_not_told_apart(folders, tmp_path):
    comparison = compare([folders / "long", folders / "again"], tmp_path / "page.html")
    found = comparison.studies[1].differences
    assert {d.verdict for d in found} == {"open"}
    assert sum(d.low <= 0 <= d.high for d in found) >= len(found) - 1
    assert comparison.sentences[0] == (
        f"Not settled: {folders / 'again'} cannot be told from {folders / 'long'} at any of the "
        f"{len(found)} normalizations that both tried; run more seeds of each."
    )
    assert comparison.settings == {}
    first, again = comparison.studies
    alone = replace(comparison, studies=[first, replace(again, differences=again.differences[:1])])
    assert alone.sentences[0] == (
        f"Not settled: {folders / 'again'} cannot be told from {folders / 'long'} at the only "
        "normalization that both tried; run more seeds of each."
    )
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
    assert "grid's best" not in text
    assert "Cell by cell" not in text
    assert "-2:2.6:7" not in text
    assert page.locator("table tbody tr").nth(0).inner_text().split("\t")[-1] == "240 of 444"
