from __future__ import annotations

import datetime
import json
from dataclasses import replace

import pytest
import tomli_w

from normscope.errors import NormscopeError
from normscope.normalization import NONE
from normscope.studies.axis import Axis
from normscope.studies.specification import ScanSpec


def test_round_trips(small_plan, tmp_path):
    specification = small_plan.specification
    assert ScanSpec.from_json(json.loads(json.dumps(specification.to_json()))) == specification
    path = tmp_path / "study.toml"
    path.write_text(specification.to_toml(), encoding="utf-8")
    assert ScanSpec.read_toml(path) == specification
    everything = replace(specification, trial=replace(specification.trial, train_images=None))
    assert ScanSpec.from_json(everything.to_json()) == everything


def test_references_and_cells_are_each_trained_once_with_every_seed(small_plan):
    specification = small_plan.specification
    trials = specification.trials()
    assert len(trials) == (6 + 2 - 1) * 2  # none is the cell at mean 0 and std 1
    assert len({trial.key() for trial in trials}) == len(trials)
    first = trials[: len(trials) // 2]
    assert {trial.seed for trial in first} == {0}
    assert [trial.normalization for trial in first[:2]] == [specification.data, NONE]


def test_differences_are_named(small_plan):
    specification = small_plan.specification
    other = replace(
        specification,
        std=Axis.parse("std", "0.1:1:4:log"),
        trial=replace(
            specification.trial,
            train_images=None,
            recipe=replace(specification.trial.recipe, epochs=2),
        ),
    )
    assert other.differences(specification) == [
        "std 0.1:1:4:log (begun with 0.1:1:3:log)",
        "recipe.epochs 2 (begun with 1)",
        "train_images not given (begun with 100)",
    ]
    assert not specification.differences(specification)


def test_a_std_that_is_not_above_zero(small_plan):
    with pytest.raises(NormscopeError) as error:
        replace(small_plan.specification, std=Axis.parse("std", "0:1:3"))
    assert str(error.value) == ("every std must be > 0, got --std 0:1:3. Start the axis above 0.")


def test_no_seed(small_plan):
    with pytest.raises(NormscopeError) as error:
        replace(small_plan.specification, seeds=0)
    assert str(error.value) == "--seeds must be at least 1, got 0. Give a larger number."


def test_another_schema(small_plan):
    fields = {**small_plan.specification.to_json(), "schema": 99}
    with pytest.raises(NormscopeError) as error:
        ScanSpec.from_json(fields)
    assert str(error.value) == (
        "a scan's specification must have schema 1, got 99. Use the normscope that wrote it."
    )


def test_a_field_that_is_missing(small_plan):
    fields = small_plan.specification.to_json()
    del fields["model"]
    with pytest.raises(NormscopeError) as error:
        ScanSpec.from_json(fields)
    assert str(error.value) == (
        "a scan's specification must name every field with its kind of value, got a fault at "
        "'model'. Use a study.toml as normscope wrote it."
    )


def test_a_file_that_is_no_toml(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text("mean = ", encoding="utf-8")
    with pytest.raises(NormscopeError, match=r"^.*study.toml must be a readable study.toml, got: "):
        ScanSpec.read_toml(path)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"seeds": "3"}, "'3' in place of a whole number"),
        ({"survival": True}, "True in place of a whole number"),
        ({"threads": 1.0}, "1.0 in place of a whole number"),
        ({"source": 5}, "5 in place of a text"),
        ({"half_width": "wide"}, "'wide' in place of a number"),
        ({"mean": 3}, "3 in place of a text"),
        ({"channel_axes": "mean-r"}, "'str' object has no attribute 'items'"),
        ({"images": {"flip": True}}, "Extra fields in constructor for ImageTransform: flip"),
        ({"options": {"new_head": 1}}, "1 in place of true or false"),
        ({"epoch": 3}, "Extra fields in constructor for TrialSpec: epoch"),
    ],
)
def test_a_field_that_is_unknown_or_of_another_kind(small_plan, changes, fault):
    with pytest.raises(NormscopeError) as error:
        ScanSpec.from_json({**small_plan.specification.to_json(), **changes})
    assert str(error.value) == (
        f"a scan's specification must name every field with its kind of value, got a fault at "
        f"{fault}. Use a study.toml as normscope wrote it."
    )


def test_a_slip_of_the_keyboard_is_refused_at_once(small_plan):
    with pytest.raises(NormscopeError) as error:
        replace(small_plan.specification, seeds=1_000_000)
    assert str(error.value) == (
        "a scan must have at most 1,000,000 trials, got 6 cells with 1,000,000 seeds each. "
        "Take fewer."
    )


HUGE = 10**29


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        ("model", 3, "fault at 3 in place of a text"),
        (
            "model",
            datetime.date(2026, 1, 2),
            "fault at datetime.date(2026, 1, 2) in place of a text",
        ),
        ("mean", float("nan"), "fault at nan in place of a text"),
        ("seeds", HUGE, f"fault at {HUGE} in place of a number of at most {2**63 - 1}"),
        ("threads", HUGE, f"fault at {HUGE} in place of a number of at most {2**63 - 1}"),
        ("threads", 2**40, f"threads must be at most 1024, got {2**40}."),
        ("threads", "two", "fault at 'two' in place of a whole number"),
        ("device", 7, "fault at 7 in place of a text"),
        ("device", "gpu", "device must be one of auto, cpu, cuda, mps, got 'gpu'."),
        ("precision", "x", "precision must be one of auto, fp32, bf16, got 'x'."),
        ("trainer", "quick", "trainer must be one of fast, plain, compiled, got 'quick'."),
        ("recipe.name", 5, "fault at 5 in place of a text"),
        ("recipe.lr", HUGE, f"fault at {HUGE} in place of a number of at most {2**63 - 1}"),
        ("recipe", [], "fault at "),
        ("init_scale", "x", "fault at "),
    ],
)
def test_values_of_another_kind(small_plan, tmp_path, place, value, sentence):
    fields = small_plan.specification.to_json()
    *tables, name = place.split(".")
    inner = fields
    for table in tables:
        inner = inner[table]
    inner[name] = value
    path = tmp_path / "study.toml"
    path.write_text(tomli_w.dumps(fields), encoding="utf-8")
    with pytest.raises(NormscopeError) as met:
        ScanSpec.read_toml(path)
    assert sentence in str(met.value)
