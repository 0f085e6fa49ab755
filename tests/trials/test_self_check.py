"""Quicker ways to compute a stack that are wrong on purpose are found out, on a CPU."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch

from normscope.machine.cores import threads
from normscope.models.stacked.grouped import GroupedTrunk
from normscope.normalization import Normalization
from normscope.trials.fast import plan_choice, stack
from normscope.trials.fast.device_optimizers import open_optimizer
from normscope.trials.fast.graph import open_learner
from normscope.trials.fast.plan_choice import choose_plan, trusted_plans
from normscope.trials.fast.self_check import why_not
from normscope.trials.fast.stack_plan import PLAIN, StackPlan
from normscope.trials.seeding import generators

OTHER = StackPlan("products")
FUSED = StackPlan("channels-last", fused=True)


class Wrong(GroupedTrunk):
    """A trunk with one fault."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def forward(self, *tensors):
        if self.fault == "raises":
            raise RuntimeError("an illegal memory access was encountered\nand more")
        features = super().forward(*tensors)
        return {
            "scaled": lambda: features * 1.05,
            "models exchanged": lambda: features.roll(1, 0),
            "nan": lambda: features * float("nan"),
            "one tile lost": lambda: features.index_fill(2, torch.arange(64), 0),
        }.get(self.fault, lambda: features)()

    def backward(self, gradient):
        found = super().backward(gradient)
        changes = {
            "first weight": {"weight1": found.weight1 * 1.02},
            "first bias": {"bias1": torch.zeros_like(found.bias1)},
            "second weight": {"weight2": found.weight2.roll(1, 3)},
            "second bias": {"bias2": -found.bias2},
            "infinite": {"weight2": found.weight2 / 0},
        }
        return found._replace(**changes.get(self.fault, {}))


class Forgetful:
    """An optimizer with one fault."""

    def __init__(self, fault, right):
        self.fault, self.right = fault, right

    def set_rates(self, rates):
        factor = {"twice the rate": 2.0, "uphill": -1.0, "still": 0.0}.get(self.fault, 1.0)
        self.right.set_rates([factor * rate for rate in rates])

    def step(self, gradients):
        self.right.step(gradients * float("nan") if self.fault == "nan" else gradients)


@pytest.fixture
def broken(monkeypatch):
    """Breaks the trunk that plans call ``products``, or the optimizer that they call fused."""

    def break_(trunk=None, optimizer=None):
        whole = stack.open_trunk
        monkeypatch.setattr(
            stack, "open_trunk", lambda n: Wrong(trunk) if n == "products" else whole(n)
        )

        def opened(recipe, rows, fused=False):
            right = open_optimizer(recipe, rows)
            return Forgetful(optimizer, right) if fused else right

        monkeypatch.setattr(stack, "open_optimizer", opened)

    return break_


@pytest.fixture
def short(spec):
    return replace(spec, recipe=replace(spec.recipe, batch_size=16))


def test_right_plans_are_trusted(broken, few_digits, short):
    assert why_not(OTHER, short, few_digits) is None
    broken("nothing", "nothing")
    assert why_not(OTHER, short, few_digits) is None
    assert why_not(FUSED, short, few_digits) is None


@pytest.mark.parametrize(
    "fault",
    [
        "scaled", "models exchanged", "nan", "one tile lost", "first weight", "first bias",
        "second weight", "second bias", "infinite",
    ],
)  # fmt: skip
def test_wrong_convolutions_are_found_out(broken, few_digits, short, fault):
    broken(fault)
    reason = why_not(OTHER, short, few_digits)
    assert reason is not None
    assert reason.startswith("the first gradient of ")


@pytest.mark.parametrize("fault", ["twice the rate", "uphill", "still", "nan"])
def test_a_wrong_optimizer_is_found_out(broken, few_digits, short, fault):
    broken(optimizer=fault)
    reason = why_not(FUSED, short, few_digits)
    assert reason is not None
    assert reason.startswith("the way over 6 steps of ")


def test_a_plan_that_fails_says_how(broken, few_digits, short):
    broken("raises")
    assert why_not(OTHER, short, few_digits) == (
        "RuntimeError: an illegal memory access was encountered"
    )


def test_what_is_left_out_is_named_once(few_digits, short, monkeypatch):
    reasons = {
        StackPlan("channels-last", graphed=True): "it strays.",
        StackPlan("products", graphed=True): None,
    }
    monkeypatch.setattr(plan_choice, "has_triton", lambda: False)
    monkeypatch.setattr(
        "normscope.trials.fast.plan_choice.why_not", lambda plan, *_: reasons.get(plan, "no.")
    )
    with pytest.warns(RuntimeWarning) as said:
        assert trusted_plans(short, few_digits) == [StackPlan("products", graphed=True)]
    assert [str(warning.message) for warning in said] == [
        "the channels-last convolutions with a CUDA graph are left out on this GPU: it strays."
    ]


def test_the_quickest_of_the_trusted_is_chosen(few_digits, short, monkeypatch):
    seconds = {PLAIN: 2.0, OTHER: 1.0, FUSED: 3.0}
    monkeypatch.setattr(plan_choice, "trusted_plans", lambda *_: [OTHER, FUSED])
    monkeypatch.setattr(
        "normscope.trials.fast.plan_choice.seconds_a_step", lambda plan, *_: seconds[plan]
    )
    on_gpu = replace(short, device="cuda")
    assert choose_plan([on_gpu], few_digits) == OTHER
    monkeypatch.setattr(plan_choice, "trusted_plans", lambda *_: [])
    assert choose_plan([on_gpu], few_digits) == PLAIN
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert choose_plan([short], few_digits) == PLAIN


@pytest.mark.parametrize("optimizer", ["adadelta", "sgd"])
def test_a_stack_that_shrinks_goes_on_as_if_the_others_had_never_been(few_digits, short, optimizer):
    recipe = replace(short.recipe, optimizer=optimizer, lr=0.1)
    specs = [
        replace(short, recipe=recipe, normalization=n)
        for n in (Normalization(0, 1), Normalization(0.5, 0.5), Normalization(-1, 2))
    ]
    batches = torch.arange(96).split(16)

    def trained(specs, keep=None):
        learner = open_learner(specs, few_digits, generators(0), PLAIN)
        learner.set_rates([0.1] * len(specs))
        for k, batch in enumerate(batches):
            if keep and k == 3:
                learner.keep(keep)
                learner.set_rates([0.1] * len(keep))
            learner.step(batch)
        return learner

    with threads(1):
        shrunk, fewer = trained(specs, keep=[0, 2]), trained([specs[0], specs[2]])
        found, expected = shrunk.numbers()[0], fewer.numbers()[0]
        for name, weights in expected.items():
            torch.testing.assert_close(found[name], weights, rtol=1e-4, atol=1e-5)
        assert shrunk.models == len(shrunk.evaluate("test")) == 2
        for mine, theirs in zip(shrunk.first_layers(), fewer.first_layers(), strict=True):
            assert mine == pytest.approx(theirs, rel=1e-4)
