from __future__ import annotations

import json
from dataclasses import replace

import pytest

from normscope.errors import NormscopeError
from normscope.normalization import IMAGENET
from normscope.trials.spec import TrialSpec


def test_json_round_trip(spec):
    spec = replace(spec, normalization=IMAGENET, train_images=7, seed=2**40)
    assert TrialSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_equal_specifications_share_a_key(spec):
    assert replace(spec, seed=1).key() != spec.key()
    assert TrialSpec.from_json(spec.to_json()).key() == spec.key()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"seed": -1},
            "seed must lie between 0 and 9223372036854775807, got -1. Give a number in that range.",
        ),
        ({"threads": 0}, "threads must be at least 1, got 0. Give a larger number."),
    ],
)
def test_numbers_out_of_range(spec, change, sentence):
    with pytest.raises(NormscopeError) as error:
        replace(spec, **change)
    assert str(error.value) == sentence
