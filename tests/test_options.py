"""Each option is declared once, and reaches the command line, Python and the docstring."""

from __future__ import annotations

import inspect
import re
from dataclasses import MISSING

import pytest

import normscope
from normscope.auditing.options import AuditOptions
from normscope.cli.app import run
from normscope.detection.options import DetectOptions
from normscope.keywords import parts_of
from normscope.options import declared
from normscope.studies.options import Place, ScanOptions, SearchOptions
from normscope.trials.options import TrainOptions, TrialOptions

COMMANDS = {
    "train": (TrainOptions,),
    "scan": (ScanOptions,),
    "search": (SearchOptions, Place),
    "audit": (AuditOptions,),
    "detect": (DetectOptions,),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_on_the_command_line_and_in_python(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("TERMINAL_WIDTH", "400")
    function = getattr(normscope, command)
    assert run([command, "--help"]) == 0
    shown = capsys.readouterr().out
    parameters = inspect.signature(function).parameters
    text = re.sub(r"\s+", " ", function.__doc__)
    for kind in COMMANDS[command]:
        for field, option in declared(kind):
            name = option.flag or f"--{field.name.replace('_', '-')}"
            assert option.argument or f" {name} " in shown
            assert option.help in shown
            default = inspect.Parameter.empty if field.default is MISSING else field.default
            assert parameters[field.name].default == default
            assert f"{field.name}: " in text
            assert re.sub(r"\s+", " ", option.python or option.help) in text


def test_python_callers_are_not_told_of_a_command_line():
    for name in set(normscope.__all__) - {"__version__", "NormscopeError"}:
        text = getattr(normscope, name).__doc__
        assert re.findall(r"(?i)\bexits? [01]\b|repeat it|--(?!into)[a-z]\w+", text) == [], name


@pytest.mark.parametrize("function", ["train", "scan", "search", "stats", "detect"])
def test_annotations_name_what_is_taken(function):
    kinds = {
        name: set(parts_of(parameter.annotation))
        for name, parameter in inspect.signature(getattr(normscope, function)).parameters.items()
    }
    assert kinds["root"] >= {"str", "Path"}
    assert kinds["source" if "source" in kinds else "images"] & {"Path", "Any"}
    for numbers in kinds.keys() & {"mean", "std", "mean_r", "std_b"}:
        assert kinds[numbers] >= {"float", "Sequence[float]", "ndarray"}


def test_no_option_of_a_trial_is_declared_again():
    shared = {field.name for field, _ in declared(TrialOptions)}
    for kind in (TrainOptions, ScanOptions, SearchOptions):
        assert not shared & set(inspect.get_annotations(kind))


def test_an_unknown_keyword():
    with pytest.raises(TypeError, match="unexpected keyword argument 'epoch'"):
        normscope.train("digits", epoch=3)


def test_what_is_given_reaches_the_trial():
    finished = normscope.train(
        model="lenet-bn", batchnorm=False, mean="0.1", std="0.2", seed=7, bias_init=2,
        train_images=100, epochs=1, threads=1, precision="fp32", channels="grey",
    )  # fmt: skip
    spec = finished.spec
    assert (spec.model, spec.options.batchnorm, spec.seed) == ("lenet-bn", False, 7)
    assert str(spec.normalization) == "0.1/0.2"
    assert (spec.init_scale.weight, spec.init_scale.bias) == (1, 2)
    assert (spec.images.channels, spec.recipe.epochs, spec.precision) == ("grey", 1, "fp32")
