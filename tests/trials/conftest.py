"""Quicker ways to compute a stack that are wrong on purpose."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from normscope.models.stacked.grouped import GroupedTrunk
from normscope.trials.fast import stack
from normscope.trials.fast.device_optimizers import open_optimizer


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
