from __future__ import annotations

import numpy as np
import pytest

from normscope.errors import NormscopeError
from normscope.studies.axis import Axis


def test_even_steps():
    axis = Axis.parse("mean", "-2:3:15")
    np.testing.assert_allclose(axis.values, np.linspace(-2, 3, 15))
    assert (axis.values[0], axis.values[-1], axis.log) == (-2.0, 3.0, False)


def test_even_factors():
    axis = Axis.parse("std", "0.02:2:15:log")
    np.testing.assert_allclose(np.diff(np.log(axis.values)), np.log(100) / 14)
    assert (axis.values[0], axis.values[-1], axis.log) == (0.02, 2.0, True)


def test_a_list_is_put_in_order():
    assert Axis.parse("std", "1,0.1,0.5").values == (0.1, 0.5, 1.0)
    assert Axis.parse("mean", "3:-2:2").values == (-2.0, 3.0)
    assert Axis.parse("mean", "0.5").values == (0.5,)
    assert Axis.parse("mean", "0.5:0.5:1").values == (0.5,)


@pytest.mark.parametrize(
    "text", ["", "a", "1:2", "1:2:3:lin", "1:2:0", "1:2:1", "1:2:2.5", "1:2:3:log:log", "1,,2"]
)
def test_text_that_does_not_parse(text):
    with pytest.raises(NormscopeError) as error:
        Axis.parse("std", text)
    assert str(error.value) == (
        "axis --std must be START:STOP:COUNT, START:STOP:COUNT:log or a comma list, "
        f"got '{text}'. Write it like -2:3:15, 0.05:1:5:log or 0,0.5,1."
    )


@pytest.mark.parametrize("text", ["0:1:5:log", "-1:1:5:log"])
def test_a_log_axis_through_zero(text):
    with pytest.raises(NormscopeError) as error:
        Axis.parse("std", text)
    assert str(error.value) == (
        f"a log axis must stay above 0, got --std {text}. Start above 0 or leave out ':log'."
    )


def test_values_that_are_not_finite_or_repeat():
    with pytest.raises(NormscopeError) as error:
        Axis.parse("mean", "0:inf:3")
    assert str(error.value) == (
        "axis --mean must hold finite values, got '0:inf:3'. Give finite bounds."
    )
    with pytest.raises(NormscopeError) as error:
        Axis.parse("mean", "1,2,1")
    assert str(error.value) == (
        "axis --mean must hold different values, got '1,2,1', which repeats some. "
        "Name each value once."
    )


def test_an_axis_that_is_too_long_or_too_wide():
    with pytest.raises(NormscopeError) as error:
        Axis.parse("mean", "0:1:99999999")
    assert str(error.value) == (
        "axis --mean must hold at most 10000 values, got '0:1:99999999'. Take fewer."
    )
    with pytest.raises(NormscopeError) as error:
        Axis.parse("mean", "-1e308:1e308:3")
    assert str(error.value) == (
        "axis --mean must span less than floats can hold, got '-1e308:1e308:3'. Give closer bounds."
    )
    assert Axis.parse("mean", "-1e308,1e308").values == (-1e308, 1e308)
