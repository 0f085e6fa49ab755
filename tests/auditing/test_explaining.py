"""What a pipeline did in place of the right normalization, named from the tensors it hands over."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from normscope.auditing.applied import AppliedNormalization
from normscope.auditing.explaining import explain
from normscope.auditing.handed_over import HandedOver
from normscope.auditing.views import Views
from normscope.normalization import HALF, IMAGENET, Normalization

MEAN, STD = (torch.tensor(v)[:, None, None] for v in (IMAGENET.mean, IMAGENET.std))


def _photos(size, count=12):
    coarse = torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (count, 3, 9, 9))).float()
    photos = torch.nn.functional.interpolate(coarse, size, mode="bicubic", align_corners=True)
    return photos.clamp(0, 255).to(torch.uint8)


def _handed_over(change, photos, prepare=None):
    found = HandedOver()
    right = photos if prepare is None else prepare(photos)
    found.add(right.numpy(), [change(p) for p in photos], [Views.of(p.numpy()) for p in photos])
    return found.applied()


MISTAKES = {
    "twice": lambda x: ((x / 255 - MEAN) / STD - MEAN) / STD,
    "half": lambda x: x / 127.5 - 1,
    "none": lambda x: x / 255,
    "0..255": lambda x: (x - MEAN) / STD,
    "bytes": lambda x: x,
    "divided-twice": lambda x: (x / 255 / 255 - MEAN) / STD,
    "no-std": lambda x: x / 255 - MEAN,
    "no-mean": lambda x: x / 255 / STD,
    "mean-as-std": lambda x: (x / 255 - MEAN) / MEAN,
    "std-as-mean": lambda x: (x / 255 - STD) / STD,
    "swapped": lambda x: (x / 255 - STD) / MEAN,
    "mean-first": lambda x: (x - MEAN) / 255 / STD,
    "mean-added": lambda x: (x / 255 + MEAN) / STD,
    "multiplied": lambda x: (x / 255 - MEAN) * STD,
    "variance": lambda x: (x / 255 - MEAN) / STD**2,
    "inverted": lambda x: (1 - x / 255 - MEAN) / STD,
    "0..255-no-std": lambda x: x - 255 * MEAN,
    "half, twice": lambda x: (x / 127.5 - 1 - MEAN) / STD,
    "bgr": lambda x: ((x / 255 - MEAN) / STD).flip(0),
    "bgr-pixels": lambda x: (x.flip(0) / 255 - MEAN) / STD,
    "bgr-constants": lambda x: (x / 255 - MEAN.flip(0)) / STD.flip(0),
    "mean-order": lambda x: (x / 255 - MEAN.flip(0)) / STD,
    "bgr-pixels, half": lambda x: x.flip(0) / 127.5 - 1,
    "bgr-pixels, 0..255": lambda x: (x.flip(0) - MEAN) / STD,
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_named(name):
    applied = _handed_over(lambda image: MISTAKES[name](image.float()), _photos((64, 64)))
    assert explain(applied, IMAGENET).name == name


def test_the_constants_of_five_bands_are_read_off():
    bands = torch.cat([_photos((64, 64)), _photos((64, 64)).flip(0)[:, :2]], 1)
    applied = _handed_over(lambda image: (image / 255 - 0.25) / 0.5, bands)
    np.testing.assert_allclose(applied.mean, [0.25] * 5, atol=1e-6)
    np.testing.assert_allclose(applied.std, [0.5] * 5, atol=1e-6)


RESIZES = {
    "bicubic": v2.Resize(40, v2.InterpolationMode.BICUBIC),
    "nearest": v2.Resize(48, v2.InterpolationMode.NEAREST),
    "other crop": v2.Compose([v2.Resize(50), v2.CenterCrop(44)]),
}


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("name", sorted(set(MISTAKES) - {"mean-first", "no-mean"}))
def test_each_mistake_is_named_behind_another_resize(name, resize):
    photos = _photos((64, 80))
    prepare = v2.Compose([v2.Resize(48), v2.CenterCrop(40)])
    applied = _handed_over(lambda i: MISTAKES[name](RESIZES[resize](i).float()), photos, prepare)
    assert explain(applied, IMAGENET).name == name


def test_what_cannot_be_told_apart_is_named_together():
    photos, prepare = _photos((64, 80)), v2.Compose([v2.Resize(48), v2.CenterCrop(40)])
    for name in ("mean-first", "no-mean"):
        change = v2.Compose([RESIZES["other crop"], v2.ToDtype(torch.float32), MISTAKES[name]])
        said = explain(_handed_over(change, photos, prepare), IMAGENET).description
        assert "no mean is subtracted" in said
        assert "the mean is subtracted before the pixels are divided by 255" in said


def test_what_is_right_or_like_no_mistake_is_not_named():
    photos = _photos((64, 64))
    right = _handed_over(lambda x: (x.float() / 255 - MEAN) / STD, photos)
    assert explain(right, IMAGENET) is None
    odd = _handed_over(lambda x: (x.float() / 255 - 0.61) / 0.77, photos)
    assert explain(odd, IMAGENET) is None


def test_caffe_without_the_factor_of_255_is_named():
    caffe = Normalization((123.68 / 255, 116.779 / 255, 103.939 / 255), 1 / 255).for_channels(3)
    less = 255 * torch.tensor(caffe.mean)[:, None, None]
    applied = _handed_over(lambda x: x.float() / 255 - less, _photos((64, 64)))
    assert explain(applied, caffe).description == "pixels of [0, 1] take the place of 0..255"


def test_one_channel():
    mnist, half = Normalization(0.1307, 0.3081), HALF.for_channels(1)
    photos = _photos((32, 32))[:, :1]
    applied = _handed_over(lambda x: x.float() / 127.5 - 1, photos)
    assert explain(applied, mnist).description == "it is normalized with half"
    assert explain(applied, half) is None


def test_a_squashed_resize_is_seen_and_its_constants_are_read_off_all_the_same():
    photos, prepare = _photos((60, 100)), v2.Compose([v2.Resize(48), v2.CenterCrop(40)])
    squash = v2.Resize((40, 40))
    applied = _handed_over(lambda x: (squash(x) / 255 - MEAN) / STD, photos, prepare)
    assert applied.shows == "whole, squashed"
    assert not applied.differs(IMAGENET)
    whole = v2.Resize(40)
    applied = _handed_over(lambda x: (whole(x) / 255 - 0.5) / 0.5, photos, prepare)
    assert applied.shows == "whole"
    assert explain(applied, IMAGENET).name == "half"
    square = v2.Compose([v2.CenterCrop(60), v2.Resize(40)])
    assert _handed_over(lambda x: square(x).float(), photos, prepare).shows == "largest square"


@pytest.mark.parametrize("name", ["half", "none", "swapped"])
def test_images_as_they_are_are_not_said_to_be_shown_otherwise(name):
    photos = _photos((60, 100))
    for change in (MISTAKES[name], v2.Compose([v2.Resize(48), MISTAKES[name]])):
        assert _handed_over(lambda x, change=change: change(x.float()), photos).shows is None
    squash = v2.Compose([v2.Resize((40, 40)), MISTAKES[name]])
    assert _handed_over(lambda x: squash(x.float()), photos).shows == "whole, squashed"


@pytest.mark.parametrize("resize", RESIZES)
def test_the_reference_and_what_is_near_it_are_not_called_squashed(resize):
    photos, prepare = _photos((64, 80)), v2.Compose([v2.Resize(48), v2.CenterCrop(40)])
    applied = _handed_over(lambda x: RESIZES[resize](x).float(), photos, prepare)
    assert applied.shows != "whole, squashed"


@pytest.mark.parametrize(
    ("mean", "std", "off", "differs"),
    [
        (0.022, 0.0127, 0.008, True),  # reflectances that are divided by 65,535
        (0.022, 0.0127, 0.0005, False),
        (0.485, 0.229, 0.008, False),
        (0, 1 / 255, 0.008, False),
        (0.5, 1 / 255, 0.008, False),
    ],
)
def test_a_mean_of_dark_images_may_lie_less_far_off(mean, std, off, differs):
    applied = AppliedNormalization.of(Normalization(mean + off, std))
    assert applied.differs(Normalization(mean, std)) == differs


DARK = Normalization(0.0184, 0.0104)


@pytest.mark.parametrize("mean", [0.012, 0.028, 0.03])
def test_means_of_dark_images_that_lie_far_off_are_no_mistake_that_is_known(mean):
    assert explain(AppliedNormalization.of(Normalization(mean, 0.0104)), DARK, {}) is None


def test_mistakes_of_dark_images_are_named():
    found = explain(AppliedNormalization.of(Normalization(0, 0.0104)), DARK, {})
    assert found.description == "no mean is subtracted"
