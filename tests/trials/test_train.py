from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from normscope.errors import ChannelMismatch
from normscope.images.decoded import LabelledImages
from normscope.init_scale import InitScale
from normscope.machine.cores import threads
from normscope.models.lenet import LeNet
from normscope.normalization import IMAGENET, NONE, Normalization
from normscope.trials.recipe import LENET_ARTICLE, LENET_STEPLR
from normscope.trials.seeding import generators
from normscope.trials.train import train
from tests.reference.notebook_loop import notebook_loop


def numbers(result):
    """What a result says, without what it took."""
    history = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in result.history]
    return result.accuracy, result.loss, result.correct, history, result.first_layer


def test_the_article_recipe_is_the_notebooks_loop_to_the_last_bit(few_digits, spec):
    source = replace(few_digits, scale=255.0)
    spec = replace(
        spec, recipe=replace(LENET_ARTICLE, epochs=3), normalization=Normalization(0.02, 0.03)
    )
    ours = train(spec, source)
    seeds = generators(spec.seed)
    with threads(1), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.initialization)
        model = LeNet(1, 10, (8, 8))
        torch.manual_seed(seeds.dropout)
        theirs = notebook_loop(model, source.train, source.test, 0.02, 0.03, 3)
    assert [epoch["test_accuracy"] for epoch in ours.history] == theirs
    assert ours.accuracy == theirs[-1]


def test_the_same_specification_gives_the_same_result(few_digits, spec):
    torch.manual_seed(12345)
    before = torch.get_rng_state()
    first = train(spec, few_digits)
    torch.rand(3)
    assert numbers(train(spec, few_digits)) == numbers(first)
    torch.set_rng_state(before)
    train(spec, few_digits)
    assert torch.equal(torch.get_rng_state(), before)


def test_another_seed_gives_another_result(few_digits, spec):
    first, second = train(spec, few_digits), train(replace(spec, seed=1), few_digits)
    assert first.first_layer["initial"] != second.first_layer["initial"]


def test_none_is_zero_and_one(few_digits, spec):
    named = train(replace(spec, normalization=NONE), few_digits)
    written = train(replace(spec, normalization=Normalization(0, 1)), few_digits)
    assert numbers(named) == numbers(written)


def test_history_and_result_are_complete(few_digits, spec):
    seen = []
    result = train(replace(spec, recipe=replace(spec.recipe, epochs=2)), few_digits, seen.append)
    assert [epoch["epoch"] for epoch in result.history] == [1, 2]
    assert set(result.history[0]) == {"epoch", "train_loss", "validation_accuracy", "seconds"}
    assert [epoch.to_json() for epoch in seen] == result.history
    assert result.correct_images().mean() == result.accuracy
    assert result.test_images == len(few_digits.test) == 60
    assert result.environment["torch"] == torch.__version__
    assert not result.diverged
    assert result.first_layer["initial"] != result.first_layer["final"]
    assert (result.precision, result.device) == ("fp32", "cpu")


def test_the_article_recipe_looks_at_test_and_holds_nothing_back(few_digits, spec):
    source = replace(few_digits, validation=None)
    result = train(replace(spec, recipe=replace(LENET_ARTICLE, epochs=1)), source)
    (epoch,) = result.history
    assert epoch["validation_accuracy"] is None
    assert epoch["test_accuracy"] == result.accuracy
    assert epoch["test_loss"] == pytest.approx(result.loss)


def test_the_step_schedule_differs_from_the_plateau_one(few_digits, spec):
    plateau = train(replace(spec, recipe=replace(spec.recipe, epochs=3)), few_digits)
    step = train(replace(spec, recipe=replace(LENET_STEPLR, epochs=3)), few_digits)
    assert plateau.history[0]["train_loss"] == step.history[0]["train_loss"]
    assert plateau.history[1]["train_loss"] != step.history[1]["train_loss"]


def test_initial_scales_reach_the_first_layer(few_digits, spec):
    plain = train(spec, few_digits).first_layer["initial"]
    scaled = train(replace(spec, init_scale=InitScale(2, 0.5)), few_digits).first_layer["initial"]
    assert scaled["weight_std"] == pytest.approx(2 * plain["weight_std"], rel=1e-6)
    assert scaled["bias_mean"] == pytest.approx(0.5 * plain["bias_mean"], rel=1e-6)


def test_a_training_that_diverges_is_measured_and_said(few_digits, spec):
    spec = replace(
        spec, normalization=Normalization(0, 1e-38), recipe=replace(spec.recipe, epochs=5)
    )
    result = train(spec, few_digits)
    assert result.diverged
    assert result.history[0]["train_loss"] is None
    assert len(result.history) == 1
    assert result.accuracy == pytest.approx(result.correct_images().mean())


def test_a_normalization_of_the_wrong_number_of_channels(few_digits, spec):
    with pytest.raises(ChannelMismatch) as error:
        train(replace(spec, normalization=IMAGENET), few_digits)
    assert str(error.value) == (
        "normalization must have 1 channel to fit the images, got 3 "
        "(0.485,0.456,0.406/0.229,0.224,0.225). Give one number for all, or one per channel."
    )


def test_a_users_model_that_gives_logits_learns(few_digits, spec, tmp_path, monkeypatch):
    (tmp_path / "logit_models.py").write_text(
        "from torch import nn\n"
        "def linear(classes, image_size):\n"
        "    height, width = image_size\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(height * width, classes))\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    recipe = replace(spec.recipe, epochs=8)
    result = train(replace(spec, model="logit_models:linear", recipe=recipe), few_digits)
    assert result.accuracy > 0.6


def test_threads_are_set_back(few_digits, spec):
    before = torch.get_num_threads()
    train(replace(spec, threads=before + 1), few_digits)
    assert torch.get_num_threads() == before


def test_order_of_images_does_not_depend_on_the_model():
    first, again = generators(5), generators(5)
    assert torch.equal(
        torch.randperm(100, generator=first.order), torch.randperm(100, generator=again.order)
    )
    assert len({first.initialization, first.dropout, generators(6).dropout}) == 3


@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_first_epoch_on_real_mnist_is_near_the_published_one(real_data):
    from normscope.trials.single import train as train_one

    finished = train_one("mnist", norm="mnist", root=real_data, train_images=6000, epochs=1)
    assert finished.result.accuracy > 0.93


def test_where_the_pixels_lie_in_memory_does_not_matter(few_digits, spec):
    pixels = few_digits.test.pixels
    odd = np.lib.stride_tricks.as_strided(pixels, strides=(64, 1, *pixels.strides[2:]))
    laid_out_oddly = replace(few_digits, test=LabelledImages(odd, few_digits.test.labels))
    assert numbers(train(spec, laid_out_oddly)) == numbers(train(spec, few_digits))
