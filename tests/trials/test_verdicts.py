"""A verdict of the self-check is found once for each device and version, and then kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace

import pytest

from normscope.trials.fast import plan_choice, verdicts
from normscope.trials.fast.plan_choice import trusted_plans
from normscope.trials.fast.stack_plan import StackPlan

PRODUCTS = StackPlan("products")


@pytest.fixture(autouse=True)
def only_products(monkeypatch, tmp_path):
    """One plan beside the plain one: the others need a GPU."""
    monkeypatch.setenv("NORMSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(plan_choice, "GPU_TRUNKS", ("products",))
    monkeypatch.setattr(plan_choice, "has_triton", lambda: False)
    checked = verdicts.why_not

    def quick(plan, spec, source):
        if plan.graphed:
            return "RuntimeError: no GPU"
        return checked(plan, spec, source)

    monkeypatch.setattr(verdicts, "why_not", quick)


@pytest.fixture
def counted(monkeypatch):
    """The plans that are checked from now on."""
    checked, found = verdicts.why_not, []

    def why_not(plan, *rest):
        found.append(plan)
        return checked(plan, *rest)

    monkeypatch.setattr(verdicts, "why_not", why_not)
    return found


def chosen(spec, source):
    """The plans that are trusted, and what is said of the others."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        plans = trusted_plans(spec, source)
    return plans, [str(warning.message) for warning in said]


def kept(folder):
    (file,) = (folder / "cache" / "self-checks").glob("*.json")
    return file


def test_a_right_plan_is_checked_once(few_digits, short, counted):
    first = chosen(short, few_digits)
    assert first[0] == [PRODUCTS]
    assert len(counted) == 2
    assert chosen(short, few_digits) == first
    assert len(counted) == 2


@pytest.mark.parametrize("fault", ["scaled", "second weight", "raises"])
def test_a_wrong_plan_stays_left_out(broken, few_digits, short, counted, fault):
    broken(fault)
    first = chosen(short, few_digits)
    assert first[0] == []
    assert first[1][-1].startswith("the products convolutions are left out on this GPU: ")
    broken("nothing")  # which is not looked at
    assert chosen(short, few_digits) == first
    assert len(counted) == 2


@pytest.mark.parametrize("changed", ["torch", "normscope", "device", "code"])
def test_another_version_or_device_is_checked_anew(
    broken,
    few_digits,
    short,
    counted,
    changed,
    monkeypatch,
):
    broken("scaled")
    assert chosen(short, few_digits)[0] == []
    known = verdicts.device_and_versions("cpu")
    assert known["torch"]
    if changed == "code":
        monkeypatch.setattr(verdicts, "_digest_of_code", lambda: "other")
    else:
        assert known[changed]
        monkeypatch.setattr(verdicts, "device_and_versions", lambda _: known | {changed: "other"})
    broken("nothing")
    assert chosen(short, few_digits)[0] == [PRODUCTS]
    assert len(counted) == 4


def test_other_trials_are_checked_too(broken, few_digits, short, counted):
    broken("scaled")
    chosen(short, few_digits)
    other = replace(short, recipe=replace(short.recipe, batch_size=8))
    chosen(other, few_digits)
    chosen(replace(short, seed=5), few_digits)
    assert len(counted) == 4


def test_a_moment_without_memory_is_no_verdict(few_digits, short, monkeypatch):
    reason = "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
    monkeypatch.setattr(verdicts, "why_not", lambda *_: reason)
    assert chosen(short, few_digits)[0] == []
    monkeypatch.setattr(verdicts, "why_not", lambda *_: None)
    assert chosen(short, few_digits)[0] == [StackPlan("products", graphed=True)]


def test_an_interrupted_check_is_no_verdict(few_digits, short, monkeypatch, tmp_path):
    def interrupted(*_):
        assert verdicts.NOT_ENDED in json.loads(kept(tmp_path).read_text()).values()
        raise KeyboardInterrupt

    monkeypatch.setattr(verdicts, "why_not", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trusted_plans(short, few_digits)
    assert json.loads(kept(tmp_path).read_text()) == {}


DIES = """
import os
import pickle
import sys
from normscope.trials.fast import plan_choice, verdicts
plan_choice.GPU_TRUNKS, plan_choice.has_triton = ("products",), lambda: False
verdicts.why_not = lambda *_: os._exit(9)
with open(sys.argv[1], "rb") as file:
    plan_choice.trusted_plans(*pickle.load(file))
"""


def test_a_check_that_took_its_process_with_it(few_digits, short, tmp_path):
    import pickle

    (tmp_path / "given").write_bytes(pickle.dumps((short, few_digits)))
    died = subprocess.run(
        [sys.executable, "-c", DIES, str(tmp_path / "given")], env=dict(os.environ), check=False
    )
    assert died.returncode == 9
    plans, said = chosen(short, few_digits)
    assert plans == [PRODUCTS]
    assert said == [
        "the products convolutions with a CUDA graph are left out on this GPU: the process that "
        "checked it did not live to the end of the check."
    ]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[1, 2]", b'{"a": 3}', b"[" * 100_000])
def test_a_damaged_file_is_written_anew(few_digits, short, counted, tmp_path, content):
    first = chosen(short, few_digits)
    kept(tmp_path).write_bytes(content)
    assert chosen(short, few_digits) == first
    assert len(counted) == 4
    assert len(json.loads(kept(tmp_path).read_text())) == 2


def test_a_cache_that_cannot_be_written(few_digits, short, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NORMSCOPE_CACHE", str(tmp_path / "file"))
    assert chosen(short, few_digits)[0] == [PRODUCTS]
