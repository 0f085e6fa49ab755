from dataclasses import replace

import numpy as np
import pytest
import torch

from normscope.images.decoded import DecodedSource, LabelledImages
from normscope.models.resnet20 import ResNet20
from normscope.normalization import HALF
from normscope.trials.fast.optimizers import Sgd
from normscope.trials.fast.schedules import open_schedule
from normscope.trials.network import training_batches
from normscope.trials.plain_data import converter
from normscope.trials.recipe import RECIPES, Recipe, named_recipe
from normscope.trials.running import run_trial


@pytest.fixture
def stripes():
    """Three classes of colour images that a small network tells apart: stripes of a direction."""
    rng = np.random.default_rng(0)

    def some(count):
        labels = np.arange(count) % 3
        pixels = rng.integers(60, 120, (count, 3, 16, 16), np.uint8)
        pixels[labels == 1, :, ::2] += 100
        pixels[labels == 2, :, :, ::2] += 100
        return LabelledImages(pixels, labels.astype(np.int64))

    return DecodedSource("stripes", ("a", "b", "c"), 255.0, some(128), some(30), some(60))


@pytest.mark.parametrize("padding", ["before", "after"])
def test_the_fast_trainer_does_what_the_plain_one_does(spec, stripes, padding):
    recipe = replace(RECIPES["resnet-scratch"], epochs=2, batch_size=32, lr=0.02, padding=padding)
    trial = replace(spec, model="resnet20", recipe=recipe, normalization=HALF, threads=2)
    fast = run_trial(trial, stripes)
    plain = run_trial(replace(trial, trainer="plain"), stripes)
    # float32 alone takes the plain trainer up to 1 % from where float64 takes it in these steps:
    # rounding decides near ties of ReLU. In float64 both agree (test_quick_layers.py).
    assert fast.history[0]["train_loss"] == pytest.approx(plain.history[0]["train_loss"], rel=0.01)
    assert fast.first_layer["initial"] == plain.first_layer["initial"]
    assert run_trial(trial, stripes).correct == fast.correct


def test_it_learns(spec, stripes):
    recipe = replace(RECIPES["resnet-finetune"], epochs=4, batch_size=16)
    trial = replace(spec, model="resnet20", recipe=recipe, normalization=HALF, threads=2)
    assert run_trial(trial, stripes).accuracy > 0.8


def test_sgd_with_weight_decay_is_torchs():
    torch.manual_seed(0)
    ours = [torch.randn(5), torch.randn(3, 2)]
    theirs = [p.clone().requires_grad_() for p in ours]
    slow = torch.optim.SGD(theirs, lr=0.1, momentum=0.9, weight_decay=0.01)
    quick = Sgd(ours, weight_decay=0.01)
    quick.set_rates([0.1, 0.1])
    for _ in range(4):
        gradients = [torch.randn_like(p) for p in ours]
        for p, g in zip(theirs, gradients, strict=True):
            p.grad = g
        slow.step()
        quick.step(gradients)
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, reference.detach())


def test_the_cosine_is_torchs():
    recipe = replace(RECIPES["resnet-scratch"], epochs=6)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=recipe.lr)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 6)
    schedule = open_schedule(recipe)
    for _ in range(6):
        assert schedule.rate == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
        schedule.step(0.5)
        optimizer.step()
        reference.step()


def test_a_batchnorm_meets_no_image_alone():
    sizes = [len(b) for b in training_batches(torch.arange(65), 32, ResNet20())]
    assert sizes == [32, 33]
    sizes = [len(b) for b in training_batches(torch.arange(65), 32, torch.nn.Linear(1, 1))]
    assert sizes == [32, 32, 1]
    assert [len(b) for b in training_batches(torch.arange(1), 32, ResNet20())] == [1]


def test_default_recipes_and_padding():
    assert named_recipe(None, "resnet18").name == "resnet-scratch"
    assert named_recipe(None, "resnet18", weights="default").name == "resnet-finetune"
    assert named_recipe(None, "lenet-bn").name == "lenet"
    assert named_recipe("resnet-finetune", "resnet18", source="digits").epochs == 1
    chosen = named_recipe(None, "resnet20", padding="after")
    assert converter.structure(converter.unstructure(chosen), Recipe) == chosen
    with pytest.raises(Exception, match="--padding must be one of before, after, got 'none'"):
        named_recipe(None, "resnet20", padding="none")
