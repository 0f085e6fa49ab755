from __future__ import annotations

import pytest

from normscope.errors import NormscopeError
from normscope.init_scale import InitScale


def test_default_changes_nothing():
    assert (InitScale().weight, InitScale().bias) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"weight": 0},
            "weight-init must be finite and > 0, got 0. Give 1 for the default initialization.",
        ),
        (
            {"weight": float("nan")},
            "weight-init must be finite and > 0, got nan. Give 1 for the default initialization.",
        ),
        (
            {"bias": -0.5},
            "bias-init must be finite and >= 0, got -0.5. Give 1 for the default initialization.",
        ),
    ],
)
def test_factors_out_of_range(arguments, sentence):
    with pytest.raises(NormscopeError) as error:
        InitScale(**arguments)
    assert str(error.value) == sentence
