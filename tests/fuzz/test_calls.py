"""A thousand calls with fixed seeds; ``make fuzz`` makes ten thousand new ones."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.arguments import COMMANDS, WEIGHTS
from tests.fuzz.calling import fault_of
from tests.fuzz.mutating import mutated

PARTS, CALLS = 10, 100


@pytest.mark.timeout(900)  # ten seconds on a machine that does nothing else
@pytest.mark.parametrize("part", range(PARTS))
def test_no_call_is_at_fault(seeds, tmp_path, part):
    faults = []
    for number in range(part * CALLS, (part + 1) * CALLS):
        arguments, fault = fault_of(f"kept-{number}", seeds, tmp_path)
        if fault:
            faults.append(f"kept-{number}: normscope {arguments!r}\n{fault}")
    assert not faults, "\n\n".join(faults)


def test_every_command_is_called():
    assert set(WEIGHTS) == set(COMMANDS)


def test_damage_is_the_same_for_a_seed_and_other_for_another():
    data = bytes(range(256)) * 4
    damaged = [mutated(data, random.Random(seed)) for seed in range(50)]
    assert damaged == [mutated(data, random.Random(seed)) for seed in range(50)]
    assert len(set(damaged)) > 40
    assert mutated(b"", random.Random(0)) is not None
