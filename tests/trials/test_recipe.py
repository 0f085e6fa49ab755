from __future__ import annotations

from dataclasses import replace

import pytest

from normscope.errors import NormscopeError, UnknownName
from normscope.trials.plain_data import converter
from normscope.trials.recipe import LENET, LENET_ARTICLE, RECIPES, Recipe, named_recipe


def test_the_recipes_as_published():
    assert (LENET.lr, LENET.batch_size, LENET.epochs) == (1.0, 64, 30)
    assert (LENET.shuffle, LENET.selection, LENET.schedule) == (True, "validation", "plateau")
    assert (LENET_ARTICLE.shuffle, LENET_ARTICLE.selection) == (False, "test")
    assert RECIPES["lenet-steplr"].schedule == "step"


def test_default_recipe_and_epochs():
    assert named_recipe(None, "lenet") == LENET
    assert named_recipe(None, "my.module:net") == LENET
    assert named_recipe("lenet-article", "lenet", epochs=2).epochs == 2
    assert named_recipe(None, "lenet", source="digits").epochs == 10
    assert named_recipe(None, "lenet", epochs=3, source="digits").epochs == 3


def test_json_round_trip():
    assert converter.structure(converter.unstructure(LENET_ARTICLE), Recipe) == LENET_ARTICLE


def test_unknown_recipe_suggests_the_nearest():
    with pytest.raises(UnknownName) as error:
        named_recipe("lenet-artcle", "lenet")
    assert str(error.value) == (
        "recipe must be one of lenet, lenet-steplr, lenet-article, resnet-scratch, "
        "resnet-finetune, frozen, got 'lenet-artcle'. Did you mean 'lenet-article'?"
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0. Give a larger number."),
        ({"batch_size": 0}, "batch size must be at least 1, got 0. Give a larger number."),
        (
            {"lr": float("nan")},
            "lr must be finite and > 0, got nan. Give a learning rate above 0.",
        ),
    ],
)
def test_numbers_out_of_range(change, sentence):
    with pytest.raises(NormscopeError) as error:
        replace(LENET, **change)
    assert str(error.value) == sentence
