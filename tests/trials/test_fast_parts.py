"""The fast trainer's parts against torch's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from normscope.machine.memory import keep_freed_memory
from normscope.trials.fast.device_optimizers import (
    DeviceAdadelta,
    open_device_optimizer,
    open_optimizer,
)
from normscope.trials.fast.memory import models_that_fit
from normscope.trials.fast.optimizers import PIECE
from normscope.trials.fast.schedules import open_schedule
from normscope.trials.fast.stack import DropoutMasks
from normscope.trials.recipe import LENET, LENET_STEPLR

SGD = replace(LENET, optimizer="sgd", lr=0.01)


@pytest.mark.parametrize("recipe", [LENET, SGD])
@pytest.mark.parametrize("opened", ["pieces", "device"])
def test_optimizers_are_torchs(recipe, opened):
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(2, PIECE + 10, dtype=torch.float64, generator=generator)
    rows = start.clone()
    mine = open_optimizer(recipe, rows)
    if opened == "device":
        mine = (
            open_device_optimizer(recipe, rows, fused=False)
            if recipe.optimizer == "sgd"
            else DeviceAdadelta(rows, fused=False)
        )
    theirs, rates = [], [recipe.lr, recipe.lr / 10]
    for row, rate in zip(start, rates, strict=True):
        parameter = torch.nn.Parameter(row.clone())
        kind = torch.optim.Adadelta if recipe.optimizer == "adadelta" else torch.optim.SGD
        more = {} if recipe.optimizer == "adadelta" else {"momentum": 0.9}
        theirs.append((parameter, kind([parameter], lr=rate, **more)))
    mine.set_rates(rates)
    for _ in range(20):
        gradients = torch.randn(start.shape, dtype=torch.float64, generator=generator)
        gradients[:, ::3] = 0
        mine.step(gradients)
        for index, (parameter, update) in enumerate(theirs):
            parameter.grad = gradients[index].clone()
            update.step()
            torch.testing.assert_close(rows[index], parameter.detach(), rtol=0, atol=1e-11)


def test_means_of_squares_never_become_denormal():
    rows = torch.ones(1, 8)
    optimizer = open_optimizer(LENET, rows)
    optimizer.set_rates([1.0])
    for step in range(2000):
        optimizer.step(torch.full((1, 8), 1.0 if step == 0 else 0.0))
    assert all(piece.min() > 1e-7 for pieces in optimizer._squares for piece in pieces)


@pytest.mark.parametrize("recipe", [LENET, LENET_STEPLR])
def test_schedules_are_torchs(recipe):
    rng = np.random.default_rng(0)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=recipe.lr)
    plateau = recipe.schedule == "plateau"
    theirs = ReduceLROnPlateau(optimizer, "max") if plateau else StepLR(optimizer, 1, gamma=0.7)
    mine = open_schedule(recipe)
    optimizer.step()
    for epoch in range(150):
        accuracy = 0.9 + 0.05 * rng.random() if epoch < 20 else 0.5
        theirs.step(accuracy) if plateau else theirs.step()
        mine.step(accuracy)
        assert mine.rate == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)


def test_dropout_keeps_its_shares():
    masks = DropoutMasks(257, seed=3, device=torch.device("cpu"))
    kept, hidden = zip(*(masks.draw(63) for _ in range(40)), strict=True)
    kept, hidden = torch.stack(kept).double(), torch.stack(hidden).double()
    assert kept.shape == (40, 63, 257)
    assert hidden.shape == (40, 63, 128)
    for drawn, share in ((kept, 0.75), (hidden, 0.5)):
        error = (share * (1 - share) / drawn.numel()) ** 0.5
        assert abs(drawn.mean().item() - share) < 4 * error
        # Every place of a mask and every neighbour of it: bytes of one word are independent too.
        by_place = drawn.mean((0, 1)) - share
        assert by_place.abs().max() < 5 * (share * (1 - share) / (40 * 63)) ** 0.5
        pairs = ((drawn[..., 1:] - share) * (drawn[..., :-1] - share)).mean().item()
        assert abs(pairs) < 4 * share * (1 - share) / drawn[..., 1:].numel() ** 0.5


def test_masks_are_the_seeds():
    def first(seed):
        return DropoutMasks(16, seed, torch.device("cpu")).draw(4).features

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))


def test_stacks_are_sized_to_memory(digits, spec):
    sizes = [
        models_that_fit(
            replace(spec, precision=precision, recipe=replace(spec.recipe, batch_size=batch)),
            digits,
            trunk,
        )
        for batch, precision, trunk in [
            (4096, "bf16", "channels-last"),
            (4096, "fp32", "channels-last"),
            (4096, "fp32", "products"),
            (10**7, "fp32", "products"),
        ]
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[1] > sizes[2] > sizes[3] == 1
    keep_freed_memory()
