from __future__ import annotations

import pytest

import normscope
from normscope.errors import NormscopeError, UnknownName
from normscope.models.expected import resolve_normalization
from normscope.normalization import IMAGENET, NONE, Normalization
from normscope.trials.single import given_normalization


def test_train_from_python():
    finished = normscope.train("digits", norm="half", epochs=1, train_images=100, threads=1)
    assert finished.spec.normalization == Normalization(0.5, 0.5)
    assert finished.spec.recipe.epochs == 1
    assert 0 <= finished.result.accuracy <= 1


def test_it_tells_how_many_images_are_decoded_before_it_trains(class_folders):
    told = []
    normscope.train(
        str(class_folders), model="lenet", epochs=1, threads=1,
        on_image=lambda *counts: told.append(counts), on_source=lambda _: told.append("decoded"),
        on_epoch=lambda epoch: told.append(epoch.epoch),
    )  # fmt: skip
    assert told[0] == (1, 24)
    assert told[-3:] == [(24, 24), "decoded", 1]


def test_words_for_a_normalization():
    data = Normalization(0.3, 0.4)
    assert resolve_normalization("data", data) is data
    assert resolve_normalization("imagenet", data) is IMAGENET
    assert resolve_normalization(NONE, data) is NONE
    assert resolve_normalization("1/2", data) == Normalization(1, 2)


def test_unknown_name_of_a_normalization():
    with pytest.raises(UnknownName) as error:
        normscope.train("digits", norm="dat")
    assert str(error.value) == (
        "norm must be one of data, model, imagenet, none, half, clip, mnist or MEAN/STD, got "
        "'dat'. Did you mean 'data'?"
    )


@pytest.mark.parametrize(
    ("mean", "std", "norm", "text"),
    [
        (None, None, None, None),
        (None, None, "clip", "clip"),
        ("0.5", "0.25", None, "0.5/0.25"),
    ],
)
def test_options_that_say_one_thing(mean, std, norm, text):
    assert given_normalization(mean, std, norm) == text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ("0", "1", "none"),
            "a normalization must be given once, got --norm and also --mean or --std. "
            "Leave one of them out.",
        ),
        (
            ("0", None, None),
            "--mean and --std must be given together, got --mean alone. Add --std.",
        ),
        (
            (None, "1", None),
            "--mean and --std must be given together, got --std alone. Add --mean.",
        ),
    ],
)
def test_options_that_do_not(options, sentence):
    with pytest.raises(NormscopeError) as error:
        given_normalization(*options)
    assert str(error.value) == sentence
