from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from normscope.trials.result import Epoch, finite_or_none, pack_bits, unpack_bits


@given(st.lists(st.booleans(), max_size=100))
def test_packed_bits_are_unpacked(bits):
    assert unpack_bits(pack_bits(np.array(bits, bool)), len(bits)).tolist() == bits


def test_ten_thousand_answers_take_under_two_kilobytes():
    assert len(pack_bits(np.ones(10_000, bool))) < 2000


def test_losses_that_json_cannot_hold():
    assert finite_or_none(float("nan")) is None
    assert finite_or_none(float("-inf")) is None
    assert finite_or_none(0.5) == 0.5
    assert Epoch(1, float("inf"), None, 0.1).to_json() == {
        "epoch": 1,
        "train_loss": None,
        "validation_accuracy": None,
        "seconds": 0.1,
    }
