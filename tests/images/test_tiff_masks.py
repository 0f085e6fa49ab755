"""Masks inside a TIFF, as GDAL writes them: pixels outside do not count, no mask is an image."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from normscope import stats

RANDOM = np.random.default_rng(2)
NOTE = "{} with a mask in their file: the pixels outside it do not count."
SIZE = (70, 90)
TILES = {"tile": (16, 32)}


def write(path, images, masks, *, deep=False, layout=None, mask_layout=None, overview=False):
    """Each image with its mask behind it; masks of 8 bits where they are deep."""
    with tifffile.TiffWriter(path) as file:
        for image, mask in zip(images, masks, strict=True):
            photometric = "rgb" if image.ndim == 3 and image.shape[-1] == 3 else "minisblack"
            file.write(image, photometric=photometric, metadata=None, **(layout or {}))
            values = mask.astype(np.uint8) * 255 if deep else mask
            kind = {"subfiletype": 2 if deep else 4}
            file.write(
                values, photometric="minisblack" if deep else 4, metadata=None, **kind,
                **(mask_layout or {}),
            )  # fmt: skip
            if overview:
                file.write(image[::2, ::2], photometric=photometric, subfiletype=1, metadata=None)
                file.write(mask[::2, ::2], photometric=4, subfiletype=5, metadata=None)
    if deep:
        # tifffile writes no mask of more than one bit.
        with tifffile.TiffFile(path, mode="r+b") as file:
            for page in list(file.pages)[1::2]:
                page.tags["NewSubfileType"].overwrite(4)


def made(count=1, channels=3):
    shape = SIZE if channels == 1 else (*SIZE, channels)
    images = RANDOM.integers(0, 256, (count, *shape), dtype=np.uint8)
    masks = RANDOM.random((count, *SIZE)) < 0.7
    return images, masks


def check(found, images, masks):
    values = np.concatenate([image[mask] for image, mask in zip(images, masks, strict=True)])
    values = values.reshape(len(values), -1) / 255
    assert found.counted == (len(values),) * values.shape[1]
    assert found.mean.value == pytest.approx(values.mean(0), rel=1e-12)
    assert found.std.value == pytest.approx(values.std(0), rel=1e-12)
    assert found.images == 1
    assert NOTE.format("1 image") in found.notes
    assert not any("parts of other sizes" in note for note in found.notes)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("deep", [False, True], ids=["1 bit", "8 bits"])
@pytest.mark.parametrize("layout", [{}, TILES, {"compression": "deflate"}], ids=str)
def test_pixels_outside_do_not_count(tmp_path, channels, deep, layout):
    images, masks = made(channels=channels)
    write(tmp_path / "a.tif", images, masks, deep=deep, layout=layout)
    check(stats(tmp_path / "a.tif"), images, masks)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("deep", [False, True], ids=["1 bit", "8 bits"])
def test_several_images_with_their_masks(tmp_path, channels, deep):
    images, masks = made(2, channels)
    write(tmp_path / "a.tif", images, masks, deep=deep)
    check(stats(tmp_path / "a.tif"), images, masks)


def test_overviews_and_their_masks(tmp_path):
    images, masks = made()
    write(tmp_path / "a.tif", images, masks, overview=True)
    found = stats(tmp_path / "a.tif")
    assert found.counted == (masks.sum(),) * 3
    assert found.mean.value == pytest.approx(images[masks].mean(0) / 255, rel=1e-12)


@pytest.mark.parametrize(
    ("layout", "mask_layout"),
    [
        (TILES, TILES),
        (TILES, {"rowsperstrip": 7, "compression": "deflate"}),
        ({}, {"compression": "deflate"}),
        ({"rowsperstrip": 11, "compression": "deflate"}, {"rowsperstrip": 11}),
        ({**TILES, "compression": "deflate"}, {}),
    ],
)
def test_by_window(tmp_path, monkeypatch, layout, mask_layout):
    monkeypatch.setattr("normscope.images.tiff_windows.WHOLE_BYTES", 1000)
    monkeypatch.setattr("normscope.images.tiff_windows.WINDOW_BYTES", 1000)
    images, masks = made(2)
    write(tmp_path / "a.tif", images, masks, layout=layout, mask_layout=mask_layout)
    check(stats(tmp_path / "a.tif"), images, masks)


def test_a_mask_too_large_to_be_held(tmp_path, monkeypatch):
    monkeypatch.setattr("normscope.images.tiff_windows.WHOLE_BYTES", 1000)
    monkeypatch.setattr("normscope.images.tiff_masks.MOST_HELD_PIXELS", 1000)
    images, masks = made()
    write(tmp_path / "a.tif", images, masks, layout=TILES, mask_layout=TILES)
    check(stats(tmp_path / "a.tif"), images, masks)
    (tmp_path / "b").mkdir()
    write(tmp_path / "b" / "a.tif", images, masks, layout=TILES, mask_layout={"rowsperstrip": 7})
    tifffile.imwrite(tmp_path / "b" / "b.tif", images[0])
    found = stats(tmp_path / "b")
    assert [skip.reason for skip in found.skipped] == [
        "its mask is large and stored in other parts than the image"
    ]


def test_a_mask_that_leaves_nothing_out_is_not_said(tmp_path):
    images, masks = made()
    write(tmp_path / "a.tif", images, np.ones_like(masks))
    found = stats(tmp_path / "a.tif")
    assert found.counted == (masks[0].size,) * 3
    assert not any("mask" in note for note in found.notes)
