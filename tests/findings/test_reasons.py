"""The lines below the answer, and the rows below them, in cases that read badly once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from normscope.findings.findings import findings
from normscope.findings.reasons import reasons
from normscope.findings.speed import Speed
from normscope.findings.summary_table import summary_table
from normscope.findings.trial_table import TrialTable
from normscope.normalization import NONE, Normalization
from normscope.studies.axis import Axis

DATA, FAR = Normalization(0.3, 0.4), Normalization(1, 1)
AXES = [Axis("mean", (0.0, 1.0), False, ""), Axis("std", (1.0,), True, "")]


REACHED = np.array([[0.9, 0.91, 0.92], [0.8, 0.81, 0.83], [0.9, 0.92, 0.91]])


def table(learned: bool = True, reached: np.ndarray = REACHED) -> TrialTable:
    known = np.full((3, 3), learned)
    return TrialTable(
        normalizations=(NONE, FAR, DATA),
        cells=2,
        accuracies=np.where(known, reached, 0.1),
        learned=known,
        settled=known,
        trainings=np.full(3, 3),
        failures=np.full(3, 0 if learned else 3),
        test_images=1000,
    )


@pytest.mark.parametrize(
    ("own", "none", "far", "said"),
    [
        (41, 48, 61, "in 41 steps; next fastest 0/1 (48 steps), slowest 1/1 (61 steps)."),
        (50, 48, 61, "in 50 steps; fastest 0/1 (48 steps), slowest 1/1 (61 steps)."),
        (70, 48, 61, "in 70 steps; fastest 0/1 (48 steps), next slowest 1/1 (61 steps)."),
    ],
)
def test_nothing_is_called_fastest_that_the_datas_own_beats(own, none, far, said):
    steps = {DATA: own, NONE: none, FAR: far}
    speeds = {n: Speed(s, None, None, reached=3, learned=3) for n, s in steps.items()}
    found = findings(table(), DATA, AXES)
    assert f"Speed: with the data's statistics a run reaches 0.891 {said}" in reasons(
        found, table(), speeds, 0.891
    )


def test_no_loss_stands_beside_what_never_learned():
    _, rows = summary_table(findings(table(), DATA, AXES))
    assert {row[0]: row[-1] for row in rows}["data's own"] == "reference"
    headings, rows = summary_table(findings(table(learned=False), DATA, AXES))
    assert headings == ["", "mean", "std", "failed"]
    assert {row[-1] for row in rows} == {"3 of 3"}


def test_cells_that_are_all_alike_are_not_said_to_range():
    alike = table(reached=np.full((3, 3), 0.9))
    said = reasons(findings(alike, DATA, AXES), alike, {}, None)
    assert said[1].startswith("Final accuracy of those that learned: 0.900 in every cell")


def test_few_test_images_are_named_where_they_cannot_tell_learning_from_chance():
    from normscope.findings.answer import answer

    reached = np.array([[0.625, 0.4, 0.5], [0.333, 0.5, 0.4], [0.5, 0.6, 0.6]])
    few = replace(table(learned=False), accuracies=reached, test_images=24)
    found = findings(few, DATA, AXES)
    assert reasons(found, few, {}, None)[0].endswith(
        " runs, wherever the mean lies. On 24 test images even 0.625 cannot be told from chance."
    )
    assert answer(found, few) == (
        "Not settled: no run can be told from chance on 24 test images; use more, or more --epochs."
    )
    some = replace(few, failures=np.array([3, 3, 2]), stuck=np.array([3, 3, 2]))
    some.learned[2, 1] = True
    said = answer(findings(some, DATA, AXES), some)
    assert said == (
        "Not settled: even near the data's statistics 8 of 9 runs cannot be told from chance on 24 "
        "test images; use more, or more --epochs."
    )
    assert len(said.split()) <= 25
    many = replace(few, test_images=1000)
    assert "test images" not in answer(findings(many, DATA, AXES), many)


@pytest.mark.parametrize(
    ("bands", "named"), [(4, "0.1,0.2,0.3,0.4/0.1,0.2,0.3,0.4"), (13, "13 channels")]
)
def test_the_constants_of_many_bands_do_not_bury_what_they_give(bands, named):
    values = tuple(np.arange(1, bands + 1) / 10)
    data = Normalization(values, values)
    made = replace(table(), normalizations=(NONE, FAR, data))
    said = reasons(findings(made, data, AXES), made, {}, None)
    assert f"The data's statistics ({named}) give 0.910, no normalization (0/1) 0.910" in said[-2]


@pytest.mark.parametrize(
    ("spread", "shown"), [(0.002, ("0.9100", "0.002")), (0.2, ("0.87", "0.16"))]
)
def test_an_accuracy_has_as_many_decimals_as_its_standard_error_deserves(spread, shown):
    reached = 0.91 + spread * np.array([[0, 1, -1], [2, 0, -2], [-1, 1, 0]])
    _, rows = summary_table(findings(table(reached=reached.clip(0, 1)), DATA, AXES))
    assert tuple({row[0]: row for row in rows}["data's own"][4:6]) == shown
