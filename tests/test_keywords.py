"""Values of wrong types and impossible paths: one sentence, from Python and on the command line."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

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
        ({"explain": [1]},
         "explain must be a list of texts or a text, got [1] of type list. Convert it."),
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


def test_keywords_of_other_commands():
    with pytest.raises(NormscopeError) as error:
        normscope.train("digits", seed=1.5)
    assert str(error.value) == "seed must be a whole number, got 1.5 of type float. Convert it."


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
