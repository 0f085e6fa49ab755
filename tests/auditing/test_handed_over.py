"""Which normalization a pipeline applies, read off the tensors that it hands over."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from normscope import Normalization
from normscope.auditing.handed_over import HandedOver
from normscope.normalization import PRESETS

IMAGENET = PRESETS["imagenet"]


def _photos(count=6, size=64):
    """Smooth colour pictures, as photographs are."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.uniform(0, 255, (count, 3, 9, 9))).float()
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 255)


def _applied(change, pixels=None):
    pixels = _photos().to(torch.uint8) if pixels is None else pixels
    found = HandedOver()
    for image in pixels.split(2):
        found.add(image.numpy(), [change(one) for one in image])
    return found.applied()


def _normalized(mean, std, unit=255.0):
    return lambda image: (
        (image.float() / unit - torch.tensor(mean)[:, None, None])
        / torch.tensor(std)[:, None, None]
    )


def test_the_right_normalization_is_right():
    found = _applied(_normalized(IMAGENET.mean, IMAGENET.std))
    np.testing.assert_allclose(found.mean, IMAGENET.mean, atol=1e-6)
    np.testing.assert_allclose(found.std, IMAGENET.std, atol=1e-6)
    assert not found.differs(IMAGENET)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_normalized([0.5] * 3, [0.5] * 3), "0.5/0.5"),
        (_normalized([0.0] * 3, [1.0] * 3), "0/1"),
        (_normalized([0.0] * 3, [1.0] * 3, unit=1.0), "0/0.00392"),
        (_normalized(IMAGENET.mean, IMAGENET.mean), "0.485,0.456,0.406/0.485,0.456,0.406"),
        (
            _normalized(PRESETS["clip"].mean, PRESETS["clip"].std),
            "0.481,0.458,0.408/0.269,0.261,0.276",
        ),
        (
            lambda image: _normalized(IMAGENET.mean, IMAGENET.std)(image.flip(0)),
            "0.485,0.456,0.406/0.229,0.224,0.225 and channels BGR",
        ),
        (
            lambda image: _normalized(IMAGENET.mean, IMAGENET.std)(255 - image),
            "0.515,0.544,0.594/-0.229,-0.224,-0.225",
        ),
    ],
)
def test_another_one_is_named(change, said):
    found = _applied(change)
    assert str(found) == said.replace("0.481", f"{found.mean[0]:.3g}")
    assert found.differs(IMAGENET)


@pytest.mark.parametrize(
    "resize",
    [
        v2.Resize(40, antialias=True),
        v2.Resize(40, antialias=False, interpolation=v2.InterpolationMode.NEAREST),
        v2.Resize(90, interpolation=v2.InterpolationMode.BICUBIC),
        v2.Compose([v2.Resize(68), v2.CenterCrop(64)]),
    ],
)
def test_another_resize_is_no_other_normalization(resize):
    found = _applied(lambda image: _normalized(IMAGENET.mean, IMAGENET.std)(resize(image)))
    assert not found.differs(IMAGENET)
    assert _applied(lambda image: _normalized([0.5] * 3, [0.5] * 3)(resize(image))).differs(
        IMAGENET
    )


def test_nothing_is_claimed_of_other_pictures_or_flat_ones():
    noise = torch.Generator().manual_seed(0)
    assert _applied(lambda image: torch.rand(image.shape, generator=noise)) is None
    assert (
        _applied(lambda image: image.float(), torch.zeros(4, 3, 16, 16, dtype=torch.uint8)) is None
    )


def test_grey_pictures_have_no_order():
    grey = _photos().mean(1, keepdim=True).repeat(1, 3, 1, 1).to(torch.uint8)
    found = _applied(_normalized(IMAGENET.mean, IMAGENET.std), grey)
    assert found.order == (0, 1, 2)
    assert not found.differs(IMAGENET)


def test_one_channel():
    one = Normalization(0.1307, 0.3081)
    found = _applied(
        lambda image: (image.float() / 255 - 0.1307) / 0.3081, _photos()[:, :1].to(torch.uint8)
    )
    assert not found.differs(one)


@pytest.mark.parametrize("seed", range(5))
def test_grey_pictures_that_are_saved_again_are_not_taken_for_reordered(seed):
    drawn = torch.Generator().manual_seed(seed)
    # Of low contrast, as fog and X-rays are, with channels that differ in few pixels.
    grey = (100 + _photos().mean(1, keepdim=True).repeat(1, 3, 1, 1) / 20).to(torch.uint8)
    tint = (torch.rand(grey.shape, generator=drawn) < 0.01).byte()

    def saved_again(image):
        noisy = image.float() + 3 * torch.randn(image.shape, generator=drawn)
        return _normalized(IMAGENET.mean, IMAGENET.std)(noisy)

    found = _applied(saved_again, grey + tint)
    assert found.order == (0, 1, 2)
    assert not found.differs(IMAGENET)
