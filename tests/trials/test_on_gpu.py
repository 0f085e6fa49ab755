"""What only a GPU can tell; skipped where there is none."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch

from normscope.models.stacked.trunks import GPU_TRUNKS, open_trunk
from normscope.trials.fast.plan_choice import trusted_plans
from normscope.trials.fast.rounds import train_many

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("NORMSCOPE_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_implementation_is_trusted(few_digits, spec, precision):
    on_gpu = replace(spec, device="cuda", precision=precision)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plans = trusted_plans(on_gpu, few_digits)
    assert {plan.trunk for plan in plans} == set(GPU_TRUNKS)
    assert all(plan.graphed for plan in plans)


@pytest.mark.parametrize("trunk", GPU_TRUNKS)
def test_fp32_is_as_exact_as_on_a_cpu(trunk):
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (64, 1, 28, 28), device="cuda").float()
    shapes = {(8, 32, 1, 3, 3): 1 / 255, (8, 32): 1, (8, 64, 32, 3, 3): 1 / 17, (8, 64): 1}
    weights = [scale * torch.randn(shape, device="cuda") for shape, scale in shapes.items()]
    gradient = torch.randn(8, 64, 9216, device="cuda")
    own, exact = open_trunk(trunk), open_trunk("channels-last")
    convolutions = torch.backends.cudnn.conv
    before, convolutions.fp32_precision = convolutions.fp32_precision, "ieee"
    try:
        found = own.forward(pixels, *weights)
        wanted = exact.forward(pixels.double(), *(w.double() for w in weights))
        assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max()
        for mine, right in zip(
            own.backward(gradient), exact.backward(gradient.double()), strict=True
        ):
            # Near ties of the pooling fall out either way.
            assert (mine - right).norm() < 0.005 * right.norm()
    finally:
        convolutions.fp32_precision = before


def test_a_stack_trains(few_digits, spec):
    on_gpu = replace(spec, device="cuda", precision="fp32")
    on_cpu = replace(spec, precision="fp32")
    (mine,), (right,) = train_many([on_gpu], few_digits), train_many([on_cpu], few_digits)
    assert mine.history[0]["train_loss"] == pytest.approx(right.history[0]["train_loss"], rel=0.2)
    assert mine.device == "cuda"
