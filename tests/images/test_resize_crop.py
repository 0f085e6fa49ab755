"""Resizing only what the crop keeps, against torchvision's two transforms."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import v2

from normscope.images.originals import find_originals, some_pixels
from normscope.images.resize_crop import exact_factor, resize_and_crop
from normscope.images.resizing import resized
from normscope.images.size import Size


def torchvisions(pixels: torch.Tensor, resize: int, crop: int) -> torch.Tensor:
    return v2.Compose([v2.Resize(resize, antialias=True), v2.CenterCrop(crop)])(pixels)


@given(
    st.integers(8, 500), st.integers(8, 500), st.sampled_from([1, 3, 4]), st.integers(8, 300),
    st.data(), st.booleans(),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_bits_are_torchvisions(height, width, channels, resize, data, interleaved):
    crop = data.draw(st.integers(1, resize))
    rng = np.random.default_rng(height * width + resize)
    array = rng.integers(0, 256, (1, height, width, channels), dtype=np.uint8)
    pixels = torch.from_numpy(array).permute(0, 3, 1, 2)
    pixels = pixels if interleaved else pixels.contiguous()
    if resize * max(height, width) // min(height, width) > 3000:
        return
    expected = torchvisions(pixels, resize, crop)
    found = resize_and_crop(pixels, resize, crop)
    if found is not None:
        assert torch.equal(found, expected)
    whole, _ = resized(pixels.numpy(), None, resize, crop)
    assert np.array_equal(whole, expected.numpy())


def test_what_cannot_be_spared():
    pixels = torch.zeros(1, 3, 300, 400, dtype=torch.uint8)
    assert resize_and_crop(pixels, 200, 201) is None  # torchvision pads here
    assert resize_and_crop(pixels, 300, 100) is None  # nothing to resize
    # The crop ends where the image would end if it were not resized.
    assert resize_and_crop(torch.zeros(1, 4, 666, 134, dtype=torch.uint8), 200, 68) is None
    assert resize_and_crop(pixels, 256, 224) is not None


def test_most_sizes_have_an_exact_factor():
    sizes = range(200, 1200)
    found = [exact_factor(size, 256) for size in sizes]
    assert all(1 / f == size / 256 for f, size in zip(found, sizes, strict=True) if f is not None)
    assert sum(f is not None for f in found) > 850


def test_photographs(real_data):
    originals = find_originals(real_data / "imagenet-sample")
    spared = 0
    for image in some_pixels(originals, 60):
        pixels = torch.from_numpy(image)[None]
        found = resize_and_crop(pixels, 256, 224)
        if found is not None:
            spared += 1
            assert torch.equal(found, torchvisions(pixels, 256, 224))
    assert spared > 40


@pytest.mark.parametrize("interpolation", ["nearest", "bicubic"])
def test_other_interpolations_are_left_to_torchvision(interpolation):
    array = np.random.default_rng(0).integers(0, 256, (1, 3, 90, 120), dtype=np.uint8)
    found, _ = resized(array, None, 64, 48, interpolation=interpolation)
    mode = v2.InterpolationMode(interpolation)
    expected = v2.Compose([v2.Resize(64, mode, antialias=True), v2.CenterCrop(48)])
    assert np.array_equal(found, expected(torch.from_numpy(array)).numpy())


@given(
    st.integers(2, 90), st.integers(2, 90), st.sampled_from([1, 2, 3, 5]), st.integers(1, 60),
    st.integers(1, 60), st.booleans(), st.booleans(),
    st.sampled_from(["uint8", "uint16", "int16", "float32", "float64"]),
    st.sampled_from(["bilinear", "bicubic"]),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_large_images_by_rows_have_the_same_bits(
    height, width, channels, short, other, both, interleaved, dtype, interpolation
):
    rng = np.random.default_rng(height * width + short)
    array = (rng.random((1, height, width, channels)) * 250).astype(dtype).transpose(0, 3, 1, 2)
    array = array if interleaved else np.ascontiguousarray(array)
    valid = rng.random((1, 1, height, width)) < 0.99
    options = {"resize": Size(short, other) if both else short, "crop": None if both else 1}
    expected = resized(array, valid, **options, interpolation=interpolation)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("normscope.images.resizing.LARGE", 0)
        patch.setattr("normscope.images.resizing.ROWS", 7 * width * channels)
        found = resized(array, valid, **options, interpolation=interpolation)
    for one, two in zip(expected, found, strict=True):
        assert one.dtype == two.dtype
        assert np.array_equal(one, two)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("width", [2, 3, 4, 9])
def test_one_pixel_is_the_mean_of_all(width, interpolation):
    rng = np.random.default_rng(width)
    pixels = rng.integers(0, 256, (1, 3, 2, width), dtype=np.uint8)
    found, _ = resized(pixels, None, 1, 1, interpolation=interpolation)
    mode = v2.InterpolationMode(interpolation)
    floats = v2.Resize(1, mode, antialias=True)(torch.from_numpy(pixels).double())
    expected = v2.CenterCrop(1)(floats).numpy()
    assert found.shape == (1, 3, 1, 1)
    assert np.abs(found - expected).max() <= 1


def test_a_large_image_takes_little_memory(monkeypatch):
    deep = np.zeros((1, 1, 3000, 4000), np.uint16)
    monkeypatch.setattr("normscope.images.resizing.LARGE", 10**6)
    monkeypatch.setattr("normscope.images.resizing.ROWS", 10**6)
    tracemalloc.start()  # which knows of NumPy's floats, if not of torch's bytes
    try:
        assert resized(deep, None, 28, 28)[0].shape == (1, 1, 28, 28)
        assert tracemalloc.get_traced_memory()[1] < deep.nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("height", "width"), [(32, 32), (32, 48), (48, 32)])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_what_has_its_size_already_is_torchvisions(height, width, interpolation):
    rng = np.random.default_rng(height)
    pixels = rng.integers(0, 256, (2, 3, height, width), dtype=np.uint8)
    for resize in (None, 32, Size(height, width)):
        for crop in (None, 32):
            expected = torch.from_numpy(pixels)
            if resize:
                size = list(resize) if isinstance(resize, Size) else resize
                mode = v2.InterpolationMode(interpolation)
                expected = v2.Resize(size, mode, antialias=True)(expected)
            if crop:
                expected = v2.CenterCrop(crop)(expected)
            found, _ = resized(pixels, None, resize, crop, interpolation=interpolation)
            assert np.array_equal(found, expected.numpy())
