"""Errors that a Python caller gets name arguments; those of the command line, options."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import normscope
from normscope.arguments import NO_VALUES, OPTION, as_arguments, for_caller, named_for
from normscope.cli.app import run
from normscope.errors import NormscopeError, UnknownName, WorkFailed
from normscope.models import expected

KNOWN = ["scale", "select", "norm", "batchnorm", "image_size", "resize", "new_head", "seeds"]

VALUES = {
    "auto", "cmaes", "compiled", "cpu", "default", "fast", "folder", "fp32", "frozen", "grey",
    "imagenet", "model", "nnunet", "photos", "plain", "rgb", "series", "tpe", "window",
}  # fmt: skip
"""Words in normscope's own sentences that are the value of the option before them."""


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("--scale must be from 0 up. Give --scale.", "scale must be from 0 up. Give scale."),
        ("Pass --scale 1 to keep them.", "Pass scale=1 to keep them."),
        ("Give --seeds -1, or (--scale).", "Give seeds=-1, or (scale)."),
        ("Use --select 'images/*'.", "Use select='images/*'."),
        ("Give --norm MEAN/STD.", "Give norm='MEAN/STD'."),
        ("Give --image-size, such as --resize 64x64.", "Give image_size, such as resize='64x64'."),
        ("Use --no-batchnorm, and no --new-head.", "Use batchnorm=False, and no new_head."),
        ("--json must name a file.", "--json must name a file."),
        ("Start one by `ray start --head`.", "Start one by `ray start --head`."),
    ],
)
def test_sentences(sentence, said):
    assert as_arguments(sentence, KNOWN) == said


def _texts():
    for path in Path(normscope.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (v.value if isinstance(v, ast.Constant) else "{}" for v in node.values)
                yield "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_every_word_behind_an_option_is_known():
    """A new sentence whose word behind an option would be taken for its value."""
    behind = {
        found[2]
        for text in _texts()
        for found in OPTION.finditer(text)
        if re.fullmatch("[a-z]+", found[2] or "") and "\n" not in text
    }
    words = {word for word in behind if not NO_VALUES.fullmatch(word)}
    assert words - VALUES == {"begin", "lr", "no"} & words


PIXELS = np.zeros((3, 4, 4), np.uint8)

CALLS = [
    (normscope.stats, {"source": PIXELS, "scale": -1}, NormscopeError),
    (normscope.stats, {"source": PIXELS, "channels": "bgr"}, NormscopeError),
    (normscope.stats, {"source": PIXELS, "layout": "XY"}, UnknownName),
    (normscope.stats, {"source": PIXELS, "workers": 0}, NormscopeError),
    (normscope.stats, {"source": "digits", "ray": "127.0.0.1:1"}, NormscopeError),
    (normscope.stats, {"source": "digits", "select": ""}, NormscopeError),
    (normscope.train, {"mean": 0.5}, NormscopeError),
    (normscope.train, {"device": "gpu"}, UnknownName),
    (normscope.train, {"trainer": "compiled"}, NormscopeError),
    (normscope.train, {"recipe": "frozen", "epochs": 2}, NormscopeError),
    (normscope.train, {"half_width": 0.1}, NormscopeError),
    (normscope.scan, {"mean": "0", "std": "1", "seeds": -1}, NormscopeError),
    (normscope.scan, {"mean": "0", "std": "1", "norm": "half"}, NormscopeError),
    (normscope.search, {"over": ["mean=0:1"], "sampler": "tp"}, UnknownName),
    (normscope.search, {"over": ["mean=0:1"], "trials": 0}, NormscopeError),
    (normscope.check, {"model": "lenet", "images": "nowhere"}, NormscopeError),
    (normscope.audit, {"model": "lenet", "images": "nowhere", "norm": "half"}, NormscopeError),
    (normscope.detect, {"model": "lenet", "images": "digits"}, NormscopeError),
]


@pytest.mark.parametrize(("function", "given", "kind"), CALLS)
def test_a_walk_of_the_functions(function, given, kind, tmp_path):
    known = inspect.signature(function).parameters
    out = {"out": tmp_path / "out"} if function in {normscope.scan, normscope.search} else {}
    with pytest.raises(kind) as error:
        function(**given, **out)
    named = {f"--{name.replace('_', '-')}" for name in known}
    assert not named & set(re.findall(r"--[a-z][\w-]*", str(error.value))), str(error.value)


def test_the_command_line_keeps_its_options(capsys):
    assert run(["stats", "digits", "--scale", "-1"]) == 2
    assert capsys.readouterr().err.startswith("normscope: --scale must be from ")


def test_the_outermost_call_decides():
    with pytest.raises(WorkFailed) as error, named_for(["scale"]), named_for(["norm"]):
        raise WorkFailed("Give --scale or --norm.")
    assert str(error.value) == "Give scale or --norm."


@pytest.mark.parametrize("on_command_line", [False, True])
def test_notes_name_what_their_caller_gives(on_command_line, tmp_path, capsys):
    pixels = np.random.default_rng(0).integers(0, 4000, (3, 8, 9), np.uint16)
    path = tmp_path / "a.npy"
    np.save(path, pixels)
    if on_command_line:
        assert run(["stats", str(path)]) == 0
        said = " ".join(capsys.readouterr().out.split())
        scale, layout = "--scale with", "--layout changes it"
    else:
        said = " ".join(normscope.stats(path).notes)
        scale, layout = "scale with", "layout changes it"
        assert "--" not in said
    assert f"Pass {scale} what your model divides by, such as 4095" in said
    assert f"read as NHW; {layout}." in said


def test_warnings_and_later_sentences_name_arguments_too():
    with pytest.warns(RuntimeWarning, match=r"^norm must be of pixels in \[0, 1\]"):
        expected.warn_of_larger(normscope.Normalization(127, 50))
    with named_for(()), pytest.warns(RuntimeWarning, match=r"^--norm must be of pixels"):
        expected.warn_of_larger(normscope.Normalization(127, 50))
    assert for_caller("Use --no-batchnorm.") == "Use batchnorm=False."
