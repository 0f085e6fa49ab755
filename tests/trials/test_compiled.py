"""LeNet by passes that numba compiles: when it is taken, and that it is the same training."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch

from normscope.machine import compiling
from normscope.machine.compiling import has_numba
from normscope.trials.fast import plan_choice
from normscope.trials.fast.plan_choice import choose_plan
from normscope.trials.fast.self_check import why_not
from normscope.trials.fast.stack_plan import COMPILED, PLAIN

pytest.importorskip("numba", reason="the extra fast is not installed")


@pytest.fixture
def unasked():
    has_numba.cache_clear()
    yield
    has_numba.cache_clear()


def test_it_trains_as_the_plain_plan_does(few_digits, short):
    assert why_not(COMPILED, short, few_digits) is None


def test_it_is_taken_where_it_repays_compiling(few_digits, short, monkeypatch):
    assert choose_plan([short], few_digits) == PLAIN
    trained_on = short.recipe.epochs * len(few_digits.train)
    monkeypatch.setattr(plan_choice, "REPAID", trained_on)
    assert choose_plan([short], few_digits) == COMPILED
    assert choose_plan([replace(short, precision="bf16")], few_digits) == PLAIN
    monkeypatch.setattr(plan_choice, "has_numba", lambda: False)
    assert choose_plan([short], few_digits) == PLAIN


def test_without_numba_nothing_is_said(monkeypatch, unasked, recwarn):
    monkeypatch.setitem(sys.modules, "numba", None)
    assert not has_numba()
    assert not recwarn.list


WITHOUT_NUMBA = """
import sys
sys.modules["numba"] = None
import normscope
for model in ("lenet", "lenet-bn"):
    trial = normscope.train("digits", model=model, epochs=1, train_images=64, device="cpu")
    print(trial.result.accuracy)
"""


def test_networks_train_where_numba_is_absent(run_beside_torch, tmp_path):
    out, _ = run_beside_torch(WITHOUT_NUMBA, tmp_path)
    assert len(out.split()) == 2


def test_a_numba_that_does_not_fit_is_told_of(monkeypatch, unasked, tmp_path):
    monkeypatch.delitem(sys.modules, "numba")
    (tmp_path / "numba.py").write_text("raise ImportError('Numba needs NumPy 2.4 or less.')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.warns(RuntimeWarning) as said:
        assert not has_numba()
    assert [str(each.message) for each in said] == [
        "numba must be importable, got Numba needs NumPy 2.4 or less. Install another version; "
        "trainings take longer without it."
    ]


def doubled(numbers):
    for index in range(len(numbers)):
        numbers[index] *= 2


def test_a_pass_is_compiled_where_nothing_can_be_written(monkeypatch):
    import numba

    whole = numba.njit

    def njit(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return whole(**options)

    monkeypatch.setattr(numba, "njit", njit)

    numbers = torch.ones(3)
    compiling.compiled(doubled)(numbers.numpy())
    assert numbers.tolist() == [2, 2, 2]


def test_a_damaged_kept_pass_is_compiled_anew(monkeypatch, tmp_path):
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))
    compiling.compiled(doubled)(torch.ones(3).numpy())
    kept = list(tmp_path.rglob("*.nbc"))
    assert kept
    for path in kept:
        path.write_bytes(path.read_bytes()[:100])
    numbers = torch.ones(3)
    with pytest.warns(RuntimeWarning) as said:
        compiling.compiled(doubled)(numbers.numpy())
    (warning,) = said
    assert str(warning.message) == (
        "compiled passes must be whole on disk, with room for more, got UnpicklingError: pickle "
        f"data was truncated. Delete {kept[0].parent}."
    )
    assert numbers.tolist() == [2, 2, 2]


def test_adadelta_follows_torch():
    from normscope.trials.fast.compiled_adadelta import CompiledAdadelta

    torch.manual_seed(0)
    mine = torch.randn(1, 200_001, dtype=torch.float64)
    theirs = torch.nn.Parameter(mine.clone())
    optimizer, reference = CompiledAdadelta(mine), torch.optim.Adadelta([theirs], lr=0.7)
    optimizer.set_rates([0.7])
    for _ in range(20):
        gradient = torch.randn_like(mine) / 100
        theirs.grad = gradient
        optimizer.step(gradient)
        reference.step()
    torch.testing.assert_close(mine, theirs.detach(), rtol=0, atol=1e-12)
