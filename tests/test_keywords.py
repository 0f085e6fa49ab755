"""Values of wrong types and impossible paths: one sentence, from Python and on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

import normscope
from normscope import stats
from normscope.cli.app import run
from normscope.errors import NormscopeError
from normscope.keywords import check_path

PIXELS = np.arange(32, dtype=np.uint8).reshape(2, 4, 4)
EMPTY = (
    "{} must have a value, got an empty one, as from an unset variable. Give one, or leave it out."
)


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"outliers": 1.5}, "outliers must be a whole number, got 1.5 of type float. Convert it."),
        ({"nodata": "0"}, "nodata must be a number, got '0' of type str. Convert it."),
        ({"clip": (0, 1)}, "clip must be a text, got (0, 1) of type tuple. Convert it."),
        ({"mask": 3}, "mask must be a path or a text, got 3 of type int. Convert it."),
        ({"strict": "no"}, "strict must be True or False, got 'no' of type str. Convert it."),
        ({"explain": [1]}, "explain must be a list of texts, got [1] of type list. Convert it."),
        ({"on_progress": 3}, "on_progress must be a function, got 3 of type int. Convert it."),
        ({"resize": (4, 4, 4)},
         "resize must be a text or a whole number or a height and a width, got (4, 4, 4) of type "
         "tuple. Convert it."),
        ({"mask": np.zeros((2, 2))},
         "mask must be a path or a text, got array([[0., 0.], [0., 0.]]) of type ndarray. "
         "Convert it."),
        ({"resize": 2.0},
         "resize must be a text or a whole number or a height and a width, got 2.0 of type float. "
         "Convert it."),
        ({"out": ""}, "out must name a file or folder, got an empty path. Write '.' for the current"
         " folder, or leave it out."),
        ({"out": "x" * 300}, "a path must have names that the system takes, got "
         f"{'x' * 40}...: too long. Shorten it."),
        ({"mask": "a\0b"}, "mask must be the path of a file or folder, got one with a NUL in it. "
         "Check it."),
    ],
)  # fmt: skip
def test_keywords(keywords, sentence):
    with pytest.raises(NormscopeError) as error:
        stats(PIXELS, **keywords)
    assert str(error.value) == sentence


def test_keywords_that_are_right(tmp_path):
    found = stats(
        PIXELS, outliers=np.int64(3), nodata=np.float32(7), out=tmp_path, strict=np.True_,
        explain=("half", "none"), resize=(4, 4), workers=1,
    )  # fmt: skip
    assert found.counted == (31,)


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"seed": 1.5}, "seed must be a whole number, got 1.5 of type float. Convert it."),
        ({"norm": 0.5},
         "norm must be a text or a Normalization, got 0.5 of type float. Convert it."),
        ({"mean": {0}, "std": 1},
         "mean must be a text or a number or a list of numbers, got {0} of type set. Convert it."),
        ({"model": nn.Identity},
         "model must be a text, got <class 'torch.nn.modules.linear.Identity'> of type type. Give "
         "its name, 'torch.nn.modules.linear:Identity'."),
        ({"model": nn.Identity()},
         "model must be a text, got Identity() of type Identity. Put what makes it into a module "
         "and give the function's name, 'module:function'."),
    ],
)  # fmt: skip
def test_keywords_of_other_commands(keywords, sentence):
    with pytest.raises(NormscopeError) as error:
        normscope.train("digits", **keywords)
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: normscope.train("digits", epoch=3),
         "train() got an unexpected keyword argument 'epoch'. Did you mean 'epochs'?"),
        (lambda: normscope.stats(1, qqq=3), "stats() got an unexpected keyword argument 'qqq'"),
        (normscope.stats, "stats() missing a required argument: 'source'"),
    ],
)  # fmt: skip
def test_errors_name_the_function_that_was_called(call, sentence):
    with pytest.raises(TypeError) as error:
        call()
    assert str(error.value) == sentence


@pytest.mark.parametrize("mean", ["0,0.5", [0, 0.5], (0.0, 0.5), np.array([0, 0.5])])
def test_numbers_stand_for_their_text(mean, tmp_path):
    study = normscope.scan(
        "digits", mean=mean, std=np.float64(1), seeds=1, epochs=1, train_images=100, workers=1,
        out=tmp_path / "s",
    )  # fmt: skip
    assert study.specification.mean.values == (0, 0.5)
    assert study.specification.std.values == (1,)


def test_paths_and_texts_stand_for_each_other(tmp_path):
    finished = normscope.train(
        Path("digits"), mean=0.5, std=[0.25], epochs=1, train_images=100, root=str(tmp_path)
    )
    assert finished.spec.source == "digits"
    assert str(finished.spec.normalization) == "0.5/0.25"


NETWORK = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: normscope.summarize("runs/a"),
         "study must be a Study, got 'runs/a' of type str. Open its folder with "
         "normscope.Study.open; a search has summarize_search."),
        (lambda: normscope.summarize_search(None),
         "study must be a SearchStudy, got None of type NoneType. Open its folder with "
         "normscope.SearchStudy.open; a scan has summarize."),
        (lambda: normscope.report(3), "folder must be a text or a path, got 3 of type int. "
         "Convert it."),
        (lambda: normscope.report("runs/a", margin="b"),
         "margin must be a number, got 'b' of type str. Convert it."),
        (lambda: normscope.fold("resnet18", "imagenet"),
         "model must be a torch.nn.Module, got 'resnet18' of type str. Build the network first."),
        (lambda: normscope.fold(NETWORK, None),
         "normalization must be a Normalization or a text, got None of type NoneType. Convert it."),
        (lambda: normscope.fold(NETWORK, "imagenet", image_size=(8, 8, 8)),
         "image_size must be a whole number or a height and a width, got (8, 8, 8) of type tuple. "
         "Convert it."),
        (lambda: normscope.fold(NETWORK, "imagenet", image_size=0),
         "image_size must be at least 1, got 0. Give a larger number."),
        (lambda: normscope.fold(NETWORK, "imagenet", channels=0),
         "channels must be at least 1, got 0. Give a larger number."),
        (lambda: normscope.load_folded(None),
         "path must be a text or a path, got None of type NoneType. Convert it."),
        (lambda: normscope.watch([], 0.5),
         "norm must be a text or a Normalization, got 0.5 of type float. Convert it."),
        (lambda: normscope.watch([], "none", batches="3"),
         "batches must be a whole number, got '3' of type str. Convert it."),
        (lambda: normscope.InitScale("1"),
         "weight must be a number, got '1' of type str. Convert it."),
        (lambda: normscope.detect(None, PIXELS),
         "model must be a name, a torch.nn.Module or a callable from a batch to outputs, got None. "
         "Hand over the network itself."),
    ],
)  # fmt: skip
def test_values_of_other_functions(call, sentence):
    with pytest.raises(NormscopeError) as error:
        call()
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["stats", "digits", "--out", ""], "--out"),
        (["stats", "digits", "--mask="], "--mask"),
        (["fold", "lenet", "-o", ""], "-o"),
        (["scan", "digits", "--weights", ""], "--weights"),
        (["train", "digits", "--root", ""], "--root"),
        (["audit", "lenet", "--images", ""], "--images"),
        (["article", "--out", ""], "--out"),
        (["stats", "--strict", ""], "every argument"),
        (["stats", "--nodata", "-1", ""], "every argument"),
        (["report", ""], "every argument"),
    ],
)
def test_no_empty_value(capsys, arguments, option):
    assert run(arguments) == 2
    assert capsys.readouterr() == ("", f"normscope: {EMPTY.format(option)}\n")


@pytest.mark.parametrize("option", ["", "--mask", "--out", "--json"])
def test_names_that_are_too_long(capsys, tmp_path, monkeypatch, option):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PIXELS[0]).save("a.png")
    name = "x" * 300
    assert run(["stats", *(["a.png", option, name] if option else [name])]) == 2
    assert capsys.readouterr().err == (
        "normscope: a path must have names that the system takes, got "
        f"{'x' * 40}...: too long. Shorten it.\n"
    )


def test_a_source_that_is_too_long():
    for source in ("x" * 300, f"{'x' * 300}/y", ["a.png", "x" * 300]):
        with pytest.raises(NormscopeError, match=r"too long\. Shorten it\.$"):
            stats(source)
    with pytest.raises(NormscopeError, match=r"too long\. Shorten it\.$"):
        normscope.train("x" * 300)


def test_a_path_that_is_not_there_is_no_matter(tmp_path):
    check_path(tmp_path / "none", "out")
