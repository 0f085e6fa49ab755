from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from normscope.errors import NormscopeError
from normscope.images.decoded import LabelledImages
from normscope.images.digits import open_digits
from normscope.images.splits import stratified_sample, with_train_images, with_validation


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=200),
    st.floats(0, 1),
    st.integers(0, 5),
)
def test_a_sample_has_each_class_in_its_share(labels, share, seed):
    labels = np.array(labels)
    count = round(share * len(labels))
    sample = stratified_sample(labels, count, seed)
    assert len(sample) == count == len(set(sample.tolist()))
    for label in np.unique(labels):
        exact = (labels == label).sum() * count / len(labels)
        assert abs((labels[sample] == label).sum() - exact) < 1


def test_digits_test_split_is_a_stratified_fifth():
    source = open_digits()
    assert (len(source.train), len(source.test)) == (1438, 359)
    shares = np.bincount(source.test.labels) / np.bincount(source.train.labels)
    assert np.abs(shares - 0.25).max() < 0.01
    assert source.scale == 16
    assert source.train.pixels.max() == 16


def test_validation_is_a_tenth_of_training_and_shares_no_image():
    whole = open_digits()
    split = with_validation(whole)
    assert len(split.validation) == 144
    assert len(split.train) == 1438 - 144
    together = np.concatenate([split.train.pixels, split.validation.pixels]).reshape(1438, -1)
    np.testing.assert_array_equal(
        np.sort(together, axis=0), np.sort(whole.train.pixels.reshape(1438, -1), axis=0)
    )


def test_a_source_keeps_its_own_validation(digits):
    assert with_validation(digits) is digits


def test_the_same_images_every_time(digits):
    again = with_validation(open_digits())
    assert again.fingerprint() == digits.fingerprint()
    np.testing.assert_array_equal(again.validation.labels, digits.validation.labels)


def test_a_changed_pixel_changes_the_fingerprint(digits):
    pixels = digits.test.pixels.copy()
    pixels[0, 0, 0, 0] += 1
    changed = replace(digits, test=LabelledImages(pixels, digits.test.labels))
    assert changed.fingerprint() != digits.fingerprint()


def test_too_few_images_to_share():
    whole = open_digits()
    one = replace(whole, train=whole.train.take(np.array([0])))
    with pytest.raises(NormscopeError) as error:
        with_validation(one)
    assert str(error.value) == (
        "digits must have at least 2 training images to hold one back for validation, got 1. "
        "Add images."
    )


@pytest.mark.parametrize("count", [0, 1295])
def test_more_training_images_than_there_are(digits, count):
    with pytest.raises(NormscopeError) as error:
        with_train_images(digits, count)
    assert str(error.value) == (
        "--train-images must lie between 1 and 1294, the training images of digits, "
        f"got {count}. Give a number in that range."
    )
