from __future__ import annotations

import json
from wsgiref.util import setup_testing_defaults

import pytest

from normscope.cli.app import run
from normscope.cli.kept_report import KEPT
from normscope.studies.search_study import SearchStudy

SMALL = ["--epochs", "1", "--train-images", "60"]
OVER = ["--over", "mean=-1:2", "--over", "std=0.05:1:log"]
FEW = ["--trials", "6", "--replicates", "2", "--workers", "1"]


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    out = tmp_path_factory.mktemp("search") / "study"
    assert run(["search", "digits", *SMALL, *OVER, *FEW, "--out", str(out)]) == 0
    return out


def test_search_then_report(searched, capsys, tmp_path):
    summary = json.loads((searched / "summary.json").read_text(encoding="utf-8"))
    assert summary.keys() >= {"best", "honest_best", "good", "importance", "sentence"}
    assert {path.name for path in (searched / "figures").iterdir()} == {
        "contours.png", "history.png", "parallel_coordinates.png",
    }  # fmt: skip
    assert run(["report", str(searched)]) == 0
    printed = capsys.readouterr().out
    assert summary["answer"] in " ".join(printed.split())
    assert "fresh seeds" in printed
    assert run(["report", str(searched), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out) == summary


def test_its_report_is_kept(searched, capsys, monkeypatch):
    (searched / KEPT).unlink()
    assert run(["report", str(searched)]) == 0
    first = capsys.readouterr().out
    monkeypatch.delattr(SearchStudy, "open")
    assert run(["report", str(searched)]) == 0
    assert capsys.readouterr().out == first


def test_called_again_it_trains_nothing(searched, capsys):
    before = [t.result.environment["time"] for t in SearchStudy.open(searched).results()]
    assert run(["search", *SMALL, *OVER, *FEW, "--out", str(searched), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["trials"] == 6
    again = [t.result.environment["time"] for t in SearchStudy.open(searched).results()]
    assert again == before


def test_two_folders_share_a_database(capsys, tmp_path):
    url = f"sqlite:///{tmp_path}/shared.db"
    call = ["search", *SMALL, *OVER, *FEW, "--storage", url]
    assert run([*call, "--out", str(tmp_path / "a")]) == 0
    assert run([*call, "--out", str(tmp_path / "b"), "--json", "-"]) == 0
    capsys.readouterr()
    assert not (tmp_path / "a" / "study.db").exists()
    assert run(["report", str(tmp_path / "b"), "--storage", url]) == 0
    assert run(["report", str(tmp_path / "b")]) == 2
    assert capsys.readouterr().err == (
        f"normscope: {tmp_path / 'b'} must hold the trials of its search in a study.db, got none: "
        "they are in a shared database. Give its URL by --storage.\n"
    )


def test_wrong_words_about_a_search(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments, sentence in (
        (
            ["--over", "mean=2:1"],
            "--over must have its low bound below its high one, got a reversed range 'mean=2:1'. "
            "Give the smaller number first, or fix the parameter with --at.",
        ),
        (
            ["--over", "meen=0:1"],
            "--over's parameter must be one of mean, std, mean-r, mean-g, mean-b, std-r, std-g, "
            "std-b, weight-init, bias-init, lr, epochs, got 'meen'. Did you mean 'mean'?",
        ),
        (
            [*OVER, "--storage", "postgresql://me:tulip@127.0.0.1:1/x", *SMALL],
            None,
        ),
        ([], "a search must vary something, got no --over. Give --over mean=-1:2 or a --preset."),
    ):
        assert run(["search", *arguments]) == 2
        err = capsys.readouterr().err
        assert sentence is None or err == f"normscope: {sentence}\n"
        assert err.count("\n") == 1
        assert "tulip" not in err


def test_the_dashboard_opens_a_search_as_it_is(searched):
    dashboard = pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
    app = dashboard.wsgi(f"sqlite:///{searched}/study.db")

    def fetched(path):
        request, statuses = {}, []
        setup_testing_defaults(request)
        request["PATH_INFO"] = path
        answer = app(request, lambda status, *_: statuses.append(status))
        page = b"".join(answer).decode()
        getattr(answer, "close", list)()  # of a file
        assert statuses == ["200 OK"]
        return page

    assert "<title>" in fetched("/dashboard/")
    studies = json.loads(fetched("/api/studies"))["study_summaries"]
    names = {study["study_name"] for study in studies}
    assert names == {searched.name, f"{searched.name} replicates"}
