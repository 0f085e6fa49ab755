from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from normscope.errors import ChannelMismatch, NormscopeError, UnknownName
from normscope.normalization import CLIP, HALF, IMAGENET, NONE, PRESETS, Normalization

finite = st.floats(-1e6, 1e6)
positive = st.floats(1e-6, 1e6)


@st.composite
def normalizations(draw, channels=st.integers(1, 5)):
    count = draw(channels)
    means = draw(st.lists(finite, min_size=count, max_size=count))
    stds = draw(st.lists(positive, min_size=count, max_size=count))
    return Normalization(means, stds)


def test_one_value_holds_for_every_channel():
    assert Normalization(0.5, (0.1, 0.2)).mean == (0.5, 0.5)
    assert Normalization((0.1, 0.2, 0.3), 2).std == (2.0, 2.0, 2.0)


NUMBERS = "{} must be a number, or one per channel, got {}. Convert it."
PAIR = (
    "normalization must be MEAN/STD, each one number or one per channel with commas, got {}. "
    "Write it like 0.5/0.25 or 0.485,0.456,0.406/0.229,0.224,0.225."
)
PIXELS = (
    "pixels must be a NumPy array (..., C, H, W), got {}. Reshape it; to_transform() takes tensors."
)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: Normalization(None, 1), NUMBERS.format("mean", "None")),
        (lambda: Normalization(0, "imagenet"), NUMBERS.format("std", "'imagenet'")),
        (lambda: Normalization(1j, 1), NUMBERS.format("mean", "1j")),
        (lambda: Normalization([[0.5]], 1), NUMBERS.format("mean", "[[0.5]]")),
        (lambda: Normalization([0, [1]], 1), NUMBERS.format("mean", "[0, [1]]")),
        (lambda: Normalization(0, 10**70 * 10**330), NUMBERS.format("std", "1" + "0" * 79)),
        (lambda: Normalization.parse(None), PAIR.format("None")),
        (lambda: Normalization.parse(b"none"), PAIR.format("b'none'")),
        (lambda: NONE.normalize(torch.zeros(3, 4, 4)), PIXELS.format("Tensor (3, 4, 4)")),
        (lambda: NONE.normalize(np.zeros(4)), PIXELS.format("ndarray (4,)")),
        (lambda: NONE.for_channels(0), "channels must be at least 1, got 0. Give a larger number."),
        (lambda: NONE.for_channels("3"),
         "channels must be a whole number, got '3' of type str. Convert it."),
        (lambda: NONE.relative_to("none"),
         "other must be a Normalization, got 'none' of type str. Convert it."),
    ],
)  # fmt: skip
def test_values_of_other_types(call, sentence):
    with pytest.raises(NormscopeError) as error:
        call()
    assert str(error.value) == sentence


@given(normalizations())
def test_what_is_printed_is_parsed_to_the_last_bit(normalization):
    assert Normalization.parse(str(normalization)) == normalization


def test_printed_form_is_what_a_user_would_write():
    assert str(IMAGENET) == "0.485,0.456,0.406/0.229,0.224,0.225"
    assert str(NONE) == "0/1"
    assert f"{Normalization(1 / 3, 2 / 3):.3g}" == "0.333/0.667"


def test_presets_are_known_by_name():
    assert Normalization.parse("imagenet") is IMAGENET
    assert set(PRESETS) == {"imagenet", "none", "half", "clip", "mnist"}
    assert CLIP.std[2] == 0.27577711


@given(normalizations(), st.data())
def test_relative_map_takes_one_to_the_other(other, data):
    this = data.draw(normalizations(channels=st.sampled_from([1, other.channels])))
    channels = max(this.channels, other.channels)
    pixels = np.linspace(0, 1, 3 * channels).reshape(channels, 3, 1)
    through = this.relative_to(other).normalize(other.normalize(pixels))
    direct = this.normalize(pixels)
    scale = (1 + abs(np.array(other.mean).max())) / min(this.std)
    np.testing.assert_allclose(through, direct, rtol=1e-6, atol=1e-9 * scale)


def test_relative_to_itself_is_the_identity():
    assert IMAGENET.relative_to(IMAGENET) == NONE.for_channels(3)


def test_transform_agrees_with_normalize():
    pixels = np.random.default_rng(0).random((2, 3, 4, 5), np.float32)
    transformed = IMAGENET.to_transform()(torch.from_numpy(pixels)).numpy()
    np.testing.assert_allclose(transformed, IMAGENET.normalize(pixels), rtol=1e-6, atol=1e-6)


def test_json_has_a_number_for_one_channel_and_a_list_for_several():
    assert HALF.to_json() == {"mean": 0.5, "std": 0.5}
    assert IMAGENET.to_json()["mean"] == [0.485, 0.456, 0.406]


@pytest.mark.parametrize(
    ("mean", "std", "sentence"),
    [
        (
            0.5,
            (0.2, 0.0, 0.2),
            "std must be finite and > 0 in every channel, got 0.2,0,0.2: channel 1 is 0.0. "
            "Give a std above 0.",
        ),
        (
            0.5,
            -1,
            "std must be finite and > 0 in every channel, got -1: channel 0 is -1.0. "
            "Give a std above 0.",
        ),
        (
            0.5,
            float("inf"),
            "std must be finite and > 0 in every channel, got inf: channel 0 is inf. "
            "Give a std above 0.",
        ),
        (
            (0, float("nan")),
            1,
            "mean must be finite in every channel, got 0,nan: channel 1 is nan. "
            "Give a finite mean.",
        ),
        (
            (),
            1,
            "mean and std must each hold at least one number, got 0 and 1. "
            "Give one number, or one per channel.",
        ),
    ],
)
def test_values_out_of_range(mean, std, sentence):
    with pytest.raises(NormscopeError) as error:
        Normalization(mean, std)
    assert str(error.value) == sentence


def test_mean_and_std_of_different_channels():
    with pytest.raises(ChannelMismatch) as error:
        Normalization((0, 0), (1, 1, 1))
    assert str(error.value) == (
        "mean and std must have the same number of channels, got 2 and 3. "
        "Give one number for all, or one per channel."
    )


def test_images_of_another_number_of_channels():
    with pytest.raises(ChannelMismatch) as error:
        IMAGENET.for_channels(1)
    assert str(error.value) == (
        "normalization must have 1 channel to fit the images, got 3 "
        "(0.485,0.456,0.406/0.229,0.224,0.225). Give one number for all, or one per channel."
    )


def test_unknown_preset_suggests_the_nearest():
    with pytest.raises(UnknownName) as error:
        Normalization.parse("imagnet")
    assert str(error.value) == (
        "normalization must be one of imagenet, none, half, clip, mnist or MEAN/STD, "
        "got 'imagnet'. Did you mean 'imagenet'?"
    )


def test_text_that_does_not_parse():
    with pytest.raises(NormscopeError) as error:
        Normalization.parse("0.5/a")
    assert str(error.value) == (
        "normalization must be MEAN/STD, each one number or one per channel with commas, "
        "got '0.5/a'. Write it like 0.5/0.25 or 0.485,0.456,0.406/0.229,0.224,0.225."
    )
