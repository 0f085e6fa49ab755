"""Numbers do not move: every recorded run gives what it gave."""

from __future__ import annotations

import json
import math
from contextlib import chdir
from typing import Any

import pytest

from tests.recorded.runs import HERE, NETWORK_RUNS, STATISTICS, make_files, processor, run, steady

CLOSE = 1e-5
"""Between processors, for what no training has amplified."""

TRAINED = ("train", "train-plain", "scan", "search")
"""A training makes of a last digit what it likes: elsewhere, only its keys are compared."""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded")
    make_files(folder)
    return folder


def recorded(name: str) -> dict[str, Any]:
    return json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))


def agrees(value: Any, other: Any, close: float) -> bool:
    """Whether all that was recorded is there with the same numbers; words may be others by now."""
    if isinstance(value, dict):
        return other.keys() <= value.keys() and all(
            agrees(value[k], other[k], close) for k in other
        )
    if isinstance(value, list):
        return len(value) == len(other) and all(
            agrees(a, b, close) for a, b in zip(value, other, strict=True)
        )
    if isinstance(value, float) and isinstance(other, float):
        return math.isclose(value, other, rel_tol=close, abs_tol=close)
    return isinstance(value, str) or value == other


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_are_equal_to_the_last_bit(files, name):
    # Of which the notes are words, not numbers.
    with chdir(files):
        before = recorded(name)["result"]
        assert run(STATISTICS[name]) | {"notes": before["notes"]} == before


@pytest.mark.parametrize("name", NETWORK_RUNS)
def test_networks_are_equal_where_they_were_recorded_and_close_elsewhere(files, name):
    kept = recorded(name)
    with chdir(files):
        result, before = run(NETWORK_RUNS[name]), steady(kept["result"])
    if kept["processor"] == processor():
        assert agrees(result, before, 0.0)
    elif name in TRAINED:
        assert before.keys() <= result.keys()
    else:
        assert agrees(result, before, CLOSE)
