"""A damaged database is named with its study and its trial, and nothing is made of it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from normscope.cli.app import run
from normscope.errors import NormscopeError
from normscope.studies.study import Study
from normscope.trials.stored_result import result_of
from tests.studies.made_results import made_result


@pytest.fixture
def folder(small_plan):
    """A scan's folder with three trials."""
    study = Study.create(small_plan.out, small_plan.specification)
    for spec in small_plan.specification.trials()[:3]:
        study.add(spec, made_result(spec))
    return small_plan.out


def _change(folder, table, column, where, change):
    with closing(sqlite3.connect(folder / "study.db")) as database, database:
        query = f"SELECT rowid, {column} FROM {table} WHERE {where}"
        rowid, old = database.execute(query).fetchone()
        database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (change(old), rowid))


def _said(capsys, folder):
    assert run(["report", str(folder)]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("table", "column", "where", "change", "reason"),
    [
        (
            "trial_user_attributes", "value_json", "key = 'result' AND trial_id = 2",
            lambda text: text[:40], "Unterminated string starting at: line 1 column 35 (char 34)",
        ),
        (
            "trial_user_attributes", "value_json", "key = 'trial' AND trial_id = 2",
            lambda _: "", "Expecting value: line 1 column 1 (char 0)",
        ),
        (
            "trial_params", "distribution_json", "trial_id = 2",
            lambda _: '{"name": "FloatDistribution"}', "'attributes'",
        ),
    ],
)  # fmt: skip
def test_what_optuna_cannot_read(folder, capsys, table, column, where, change, reason):
    _change(folder, table, column, where, change)
    assert _said(capsys, folder) == (
        "normscope: trial 1 of the study 'study' must be as normscope wrote it, got damage: "
        f"{reason}. Restore the database, or choose another --out.\n"
    )


def _with(key, **fields):
    return lambda text: json.dumps(json.loads(text) | fields)


def _without(field):
    def change(text):
        fields = json.loads(text)
        del fields[field]
        return json.dumps(fields)

    return change


@pytest.mark.parametrize(
    ("attribute", "change", "met"),
    [
        ("result", lambda _: "[]", "a result that is []"),
        ("result", _with("result", accuracy="high"), "accuracy that is 'high'"),
        ("result", _with("result", accuracy=7.5), "accuracy 7.5"),
        ("result", _with("result", accuracy=float("nan")), "accuracy nan"),
        ("result", _with("result", colour=1), "colour that is 1"),
        ("result", _with("result", outcome="late"), "outcome 'late'"),
        ("result", _with("result", test_images=9), "answers to other than 9 test images"),
        ("result", _with("result", history=[1]), "an epoch of the history that is 1"),
        ("result", _with("result", curve=[[1]]), "a point of the curve of 1 numbers"),
        ("result", _with("result", curve=[[1, None]]), "curve that is None"),
        ("trial", _without("seed"), "no 'seed'"),
        ("trial", _with("trial", model=3), "3 in place of a text"),
        (
            "trial", _with("trial", precision="fp64"),
            "precision must be one of auto, fp32, bf16, got 'fp64'",
        ),
    ],
)  # fmt: skip
def test_what_is_no_trial(folder, capsys, attribute, change, met):
    where = f"key = '{attribute}' AND trial_id = 2"
    _change(folder, "trial_user_attributes", "value_json", where, change)
    assert _said(capsys, folder) == (
        f"normscope: trial 1 of the study 'study' in {folder / 'study.db'} must be as normscope "
        f"wrote it, got {met}. Restore the database, or choose another --out.\n"
    )


def test_an_attribute_that_is_gone(folder, capsys):
    with closing(sqlite3.connect(folder / "study.db")) as database, database:
        database.execute("DELETE FROM trial_user_attributes WHERE key = 'result'")
    assert _said(capsys, folder) == (
        f"normscope: trial 0 of the study 'study' in {folder / 'study.db'} must be as normscope "
        "wrote it, got no 'result'. Restore the database, or choose another --out.\n"
    )


def test_a_study_that_optuna_cannot_read(folder, capsys):
    _change(folder, "study_user_attributes", "value_json", "1", lambda text: text[:-9])
    assert _said(capsys, folder).startswith(
        f"normscope: {folder / 'study.db'} must hold studies as Optuna wrote them, got damage: "
    )


def test_nothing_is_added_to_a_damaged_study(folder, small_plan, capsys):
    where = "key = 'result' AND trial_id = 2"
    _change(folder, "trial_user_attributes", "value_json", where, lambda text: text[:40])
    before = (folder / "study.db").read_bytes()
    with pytest.raises(NormscopeError, match=r"^trial 1 of the study 'study' must be as normscope"):
        Study.create(small_plan.out, small_plan.specification)
    assert (folder / "study.db").read_bytes() == before


def test_a_whole_result_is_read(spec):
    result = made_result(spec)
    assert result_of(json.loads(json.dumps(result.to_json()))) == result
