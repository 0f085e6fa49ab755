from __future__ import annotations

import pytest
from optuna.distributions import FloatDistribution, IntDistribution

from normscope.errors import NormscopeError
from normscope.studies.ranges import Range, parse_fixed, parse_ranges
from normscope.studies.search_presets import SEARCH_PRESETS


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        ("mean=-1:2", FloatDistribution(-1, 2)),
        ("std-b=0.05:1:log", FloatDistribution(0.05, 1, log=True)),
        ("epochs=2:10", IntDistribution(2, 10)),
        ("epochs=1:64:log", IntDistribution(1, 64, log=True)),
    ],
)
def test_what_is_read_is_what_optuna_gets(text, distribution):
    assert Range.parse(text).distribution() == distribution
    assert Range.parse(str(Range.parse(text))) == Range.parse(text)


def test_places_in_a_range():
    assert Range.parse("mean=-1:3").share(0) == 0.25
    log = Range.parse("std=0.01:1:log")
    assert [log.share(v) for v in (0.01, 0.1, 1)] == pytest.approx([0, 0.5, 1])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "mean",
            "--over must be NAME=LOW:HIGH or NAME=LOW:HIGH:log, got 'mean'. "
            "Write it like mean=-1:2.",
        ),
        (
            "mean=0:1:5",
            "--over must be NAME=LOW:HIGH or NAME=LOW:HIGH:log, got 'mean=0:1:5'. "
            "Write it like mean=-1:2.",
        ),
        (
            "mean=2:-1",
            "--over must have its low bound below its high one, got a reversed range 'mean=2:-1'. "
            "Give the smaller number first, or fix the parameter with --at.",
        ),
        (
            "mean=1:1",
            "--over must have its low bound below its high one, got an empty range 'mean=1:1'. "
            "Give the smaller number first, or fix the parameter with --at.",
        ),
        (
            "std=0:1:log",
            "a log range must stay above 0, got --over std=0:1:log. "
            "Start above 0 or leave out ':log'.",
        ),
        (
            "maen=0:1",
            "--over's parameter must be one of mean, std, mean-r, mean-g, mean-b, std-r, std-g, "
            "std-b, weight-init, bias-init, lr, epochs, got 'maen'. Did you mean 'mean'?",
        ),
        (
            "mean=a:1",
            "--over must have finite numbers, got 'mean=a:1'. Give a number for 'a'.",
        ),
        (
            "epochs=1.5:3",
            "epochs must be a whole number, got --over epochs=1.5:3. Give one for '1.5'.",
        ),
    ],
)
def test_ranges_that_cannot_be(text, sentence):
    with pytest.raises(NormscopeError) as error:
        Range.parse(text)
    assert str(error.value) == sentence


def test_ranges_and_values_together():
    assert [r.name for r in parse_ranges(["std=0.1:1", "mean=0:1"])] == ["mean", "std"]
    assert parse_fixed(["mean=-1,std=0.1", "lr=2"]) == {"mean": -1, "std": 0.1, "lr": 2}
    for parse, texts, sentence in (
        (
            parse_ranges, [],
            "a search must vary something, got no --over. Give --over mean=-1:2 or a --preset.",
        ),
        (
            parse_ranges, ["mean=0:1", "mean=0:2"],
            "--over must name each parameter once, got mean more often. Leave all but one.",
        ),
        (
            parse_fixed, ["mean"],
            "--at must be NAME=VALUE with commas between several, got 'mean'. "
            "Write it like mean=-1,std=0.1.",
        ),
        (
            parse_fixed, ["std=1,std=2"],
            "--at must name each parameter once, got std more often. Leave all but one.",
        ),
    ):  # fmt: skip
        with pytest.raises(NormscopeError) as error:
            parse(texts)
        assert str(error.value) == sentence


def test_the_published_ranges():
    found = {name: parse_ranges(preset.over) for name, preset in SEARCH_PRESETS.items()}
    assert [str(r) for r in found["lenet"]] == ["mean=-1:2", "std=0.05:1:log"]
    assert [str(r) for r in found["lenet-init"]] == [
        "bias-init=0.05:20:log", "weight-init=0.05:20:log",
    ]  # fmt: skip
    assert parse_fixed(SEARCH_PRESETS["lenet-init"].at) == {"mean": -1.0, "std": 0.1}
    assert [str(r) for r in found["resnet"]] == ["mean=-0.5:1.5", "std=0.2:0.6:log"]
    assert {str(r).partition("=")[2] for r in found["rgb-coarse"]} == {"-1:2", "0.05:1:log"}
    assert {str(r).partition("=")[2] for r in found["rgb-fine"]} == {"0.4:0.6", "0.15:0.35:log"}
    assert len(found["rgb-fine"]) == len(found["rgb-coarse"]) == 6
