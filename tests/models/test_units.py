"""Constants of pixels of 0..255, where those of [0, 1] are asked for."""

from __future__ import annotations

import pytest

from normscope.cli.app import run
from normscope.errors import NormscopeError
from normscope.models.expected import check_of_unit
from normscope.normalization import PRESETS, Normalization

BYTES = "123.675,116.28,103.53/58.395,57.12,57.375"
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


@pytest.mark.parametrize("command", ["fold", "audit"])
def test_commands_that_show_pixels_of_0_to_1(command, tmp_path, class_folders, capsys):
    asked = {"fold": f"--out={tmp_path / 'f.safetensors'}", "audit": f"--images={class_folders}"}
    assert (
        run([command, "squeezenet1_1", "--weights=default", f"--norm={BYTES}", asked[command]]) == 2
    )
    assert capsys.readouterr().err == f"normscope: {SAID}\n"
