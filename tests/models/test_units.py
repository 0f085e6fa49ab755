"""Constants of pixels of 0..255, where those of [0, 1] are asked for."""

from __future__ import annotations

import pytest
from torch import nn

from normscope.checking.guarding import Guard
from normscope.cli.app import run
from normscope.deploy.folding import fold
from normscope.errors import NormscopeError
from normscope.models.expected import check_of_unit
from normscope.normalization import PRESETS, Normalization
from normscope.trials.options import TrainOptions
from normscope.trials.preparation import resolve

BYTES = "123.675,116.28,103.53/58.395,57.12,57.375"
UNIT = "0.00392157"
SAID = (
    f"--norm must be of pixels in [0, 1], got {BYTES}, which is of larger ones. If they are of "
    "0..255, give 0.485,0.456,0.406/0.229,0.224,0.225."
)


def test_only_constants_of_larger_pixels_are_refused():
    with pytest.raises(NormscopeError) as error:
        check_of_unit(Normalization.parse(BYTES))
    assert str(error.value) == SAID
    for fine in [*PRESETS.values(), Normalization((3.0,), (10.0,)), Normalization((31.0,), (1.0,))]:
        assert check_of_unit(fine) is fine
    for fine in ["-2/0.02", "-123,-110,-100/1", "0.5/50", "60/0.9", "-100/400"]:
        check_of_unit(Normalization.parse(fine))


@pytest.mark.parametrize(
    ("of_bytes", "of_unit"),
    [
        (
            "123.68,116.779,103.939/1,1,1",
            f"0.48502,0.457957,0.407604/{UNIT},{UNIT},{UNIT}",
        ),
        ("127.5/1", f"0.5/{UNIT}"),
        ("0/255", "0/1"),
    ],
)
def test_constants_that_only_centre_or_only_divide_bytes(of_bytes, of_unit):
    with pytest.raises(NormscopeError) as error:
        check_of_unit(Normalization.parse(of_bytes))
    assert str(error.value) == (
        f"--norm must be of pixels in [0, 1], got {of_bytes}, which is of larger ones. If they are "
        f"of 0..255, give {of_unit}."
    )


def test_python_callers_that_name_them_otherwise():
    layer = nn.Conv2d(3, 2, 3)
    with pytest.raises(NormscopeError, match=r"^normalization must be of pixels in \[0, 1\], got"):
        fold(layer, BYTES, image_size=8)
    fold(layer, BYTES, to="none", image_size=8)
    with pytest.raises(NormscopeError, match=r"^norm must be of pixels in \[0, 1\], got"):
        Guard(BYTES)


def test_a_trial_may_use_them_and_says_so(digits):
    with pytest.warns(RuntimeWarning, match=r"of larger ones. If they are of 0..255, give 0\.5/"):
        resolve(TrainOptions("digits", norm="127.5/1", train_images=100))


@pytest.mark.parametrize("command", ["fold", "audit"])
def test_commands_that_show_pixels_of_0_to_1(command, tmp_path, class_folders, capsys):
    asked = {"fold": f"--out={tmp_path / 'f.safetensors'}", "audit": f"--images={class_folders}"}
    assert (
        run([command, "squeezenet1_1", "--weights=default", f"--norm={BYTES}", asked[command]]) == 2
    )
    assert capsys.readouterr().err == f"normscope: {SAID}\n"
