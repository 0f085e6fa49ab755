"""The stacked network against LeNet itself under autograd, in float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from normscope.errors import UnknownName
from normscope.machine.cores import threads
from normscope.models.lenet import LeNet
from normscope.models.stacked import lenet, sparse_features, winograd
from normscope.models.stacked.fold import Fold
from normscope.models.stacked.lenet import Masks, StackedLeNet
from normscope.models.stacked.trunks import open_trunk
from normscope.normalization import Normalization
from normscope.trials.fast.optimizers import Adadelta, Sgd

NORMALIZATIONS = [
    Normalization(0.0, 1.0),
    Normalization(0.1307, 0.3081),
    Normalization(3.0, 2.0),
    Normalization(-2.0, 0.02),
]
STEPS = 50
RATES = {"adadelta": 1.0, "sgd": 0.01}
SHAPE = (2, 9, 8)
"""Two channels, and a height that pooling does not divide."""


class Kept(nn.Module):
    """Dropout with a mask that is handed to it."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.mask = torch.empty(0)

    def forward(self, x):
        return (x.flatten(1) * self.mask / self.share).view_as(x)


@pytest.fixture(autouse=True)
def one_thread():
    with threads(1):
        yield


def networks(count):
    torch.manual_seed(0)
    return [LeNet(SHAPE[0], 5, SHAPE[1:]).double() for _ in range(count)]


def batches(features, generator):
    for _ in range(STEPS):
        pixels = torch.randint(0, 256, (4, *SHAPE), dtype=torch.uint8, generator=generator)
        # Flat regions give ties under the pooling, and zeros under ReLU.
        pixels[:, :, 3:] = pixels[:, :, 3:4, :1]
        labels = torch.randint(0, 5, (4,), generator=generator)
        kept = torch.rand(4, features, generator=generator) < 0.75
        yield pixels, labels, kept, torch.rand(4, 128, generator=generator) < 0.5


def plain_optimizer(name, parameters):
    if name == "adadelta":
        return torch.optim.Adadelta(parameters, lr=RATES[name])
    return torch.optim.SGD(parameters, lr=RATES[name], momentum=0.9)


@pytest.mark.parametrize("optimizer", ["adadelta", "sgd"])
@pytest.mark.parametrize("trunk_name", ["channels-last", "products", "winograd", "sparse"])
@pytest.mark.parametrize("stacked", [True, False])
def test_a_stack_follows_plain_training_step_by_step(trunk_name, optimizer, stacked, monkeypatch):
    # So small images have no time to become sparse by themselves.
    share = 1.0 if trunk_name == "sparse" else 0.0
    monkeypatch.setattr(sparse_features, "SPARSE", share)
    monkeypatch.setattr(winograd, "SPARSE", share)
    normalizations = NORMALIZATIONS if stacked else [NORMALIZATIONS[-1]]
    plain = networks(len(normalizations))
    trunk = open_trunk("winograd" if trunk_name == "sparse" else trunk_name)
    fold = Fold.of(normalizations, SHAPE[0], 255.0, plain[0].conv1.weight.detach())
    stack = StackedLeNet(plain, fold, trunk, torch.device("cpu"), torch.float64)
    mine = (Adadelta if optimizer == "adadelta" else Sgd)(stack.rows)
    mine.set_rates([RATES[optimizer]] * len(plain))
    theirs = []
    for model in plain:
        model.dropout1, model.dropout2 = Kept(0.75), Kept(0.5)
        theirs.append(plain_optimizer(optimizer, model.parameters()))
    for pixels, labels, kept, hidden in batches(stack.features, torch.Generator().manual_seed(1)):
        by_place = kept.unflatten(1, (64, -1)).transpose(1, 2).flatten(1)
        masks = Masks(by_place, hidden)
        losses = stack.differentiate(pixels, labels, masks)
        mine.step(stack.gradients)
        for index, (model, normalization, update) in enumerate(
            zip(plain, normalizations, theirs, strict=True)
        ):
            model.dropout1.mask, model.dropout2.mask = kept, hidden
            images = (pixels.double() / 255 - normalization.mean[0]) / normalization.std[0]
            update.zero_grad()
            loss = F.cross_entropy(model.train()(images), labels)
            loss.backward()
            update.step()
            torch.testing.assert_close(losses[index], loss.detach(), rtol=1e-9, atol=1e-9)
    for index, (model, normalization) in enumerate(zip(plain, normalizations, strict=True)):
        weight, bias = stack.first_layer(index)
        torch.testing.assert_close(weight, model.conv1.weight.detach(), rtol=0, atol=1e-9)
        torch.testing.assert_close(bias, model.conv1.bias.detach(), rtol=0, atol=1e-9)
        model.dropout1, model.dropout2 = nn.Identity(), nn.Identity()
        images = (pixels.double() / 255 - normalization.mean[0]) / normalization.std[0]
        mine_say = stack.log_probabilities(pixels)[index]
        torch.testing.assert_close(mine_say, model(images).detach(), rtol=0, atol=1e-9)


def test_an_unknown_trunk_is_named():
    with pytest.raises(UnknownName) as caught:
        open_trunk("grouped")
    assert str(caught.value) == (
        "trunk must be one of channels-last, products, triton, winograd, got 'grouped'. "
        "Choose one of these."
    )


@pytest.mark.parametrize("compute", [torch.float32, torch.bfloat16])
def test_tests_go_in_parts_to_the_same_bits_and_keep_nothing(monkeypatch, compute):
    torch.manual_seed(0)
    trunk = open_trunk("channels-last")
    fold = Fold.of(NORMALIZATIONS[:2], 1, 255, torch.empty(0))
    models = [LeNet(1, 5, (28, 28)) for _ in range(2)]
    stack = StackedLeNet(models, fold, trunk, torch.device("cpu"), compute)
    pixels = torch.randint(0, 256, (37, 28, 28, 1), dtype=torch.uint8).permute(0, 3, 1, 2)
    seen = []
    convolve = trunk.forward
    monkeypatch.setattr(trunk, "forward", lambda *a: seen.append(len(a[0])) or convolve(*a))
    in_parts = stack.log_probabilities(pixels)
    assert seen == [16, 16, 5]
    assert trunk._saved == ()
    monkeypatch.setattr(lenet, "TESTED_TOGETHER", 2**30)
    assert torch.equal(stack.log_probabilities(pixels), in_parts)
    assert seen == [16, 16, 5, 37]
