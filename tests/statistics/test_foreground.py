"""Pixels above a value and inside of masks, against NumPy's own selection."""

from __future__ import annotations

import tarfile

import numpy as np
import pytest
from PIL import Image

from normscope import stats
from normscope.cli.app import run
from normscope.errors import NormscopeError

RNG = np.random.default_rng(8)


@pytest.fixture
def scans(tmp_path):
    """Images in folders, and masks of them of several types."""
    images, masks = {}, {}
    for number, name in enumerate(("a/1.png", "a/2.png", "b/3.jp2", "4.png")):
        image = RNG.integers(0, 256, (6, 7 + number), dtype=np.uint8)
        mask = RNG.integers(0, 3, image.shape, dtype=np.uint8)
        stored = "b/3.png" if name == "b/3.jp2" else name
        for folder, kept, path in (("in", image, name), ("masks", mask, stored)):
            file = tmp_path / folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            lossless = {"irreversible": False} if file.suffix == ".jp2" else {}
            Image.fromarray(kept).save(file, **lossless)
        images[name], masks[name] = image, mask
    colour = np.zeros((6, 10, 3), np.uint8)
    colour[..., 1] = masks["4.png"]
    Image.fromarray(colour).save(tmp_path / "masks" / "4.png")
    return tmp_path, images, masks


def selected(images, masks, above=-1):
    return np.concatenate([images[k][(masks[k] > 0) & (images[k] > above)] for k in images])


@pytest.mark.parametrize("above", [None, 0, 99.5])
def test_masks_and_above_select_as_numpy_does(scans, above):
    folder, images, masks = scans
    found = stats(folder / "in", mask=folder / "masks", above=above)
    own = selected(images, masks, -1 if above is None else above)
    assert found.counted == (own.size,)
    assert found.stored_mean.value[0] == pytest.approx(own.mean(), rel=1e-14)
    assert found.stored_std.value[0] == pytest.approx(own.std(), rel=1e-14)
    assert found.percentiles["99"].value[0] == pytest.approx(np.percentile(own, 99))
    share = f"{100 * own.size / found.pixels:.3g} % of all."
    which = "" if above is None else f"above {above:g} and "
    assert f"Only pixels {which}inside the masks of {folder / 'masks'} count: {share}" in (
        found.notes
    )


def test_above_is_asked_channel_by_channel():
    pixels = RNG.normal(0, 1, (3, 2, 5, 5))
    found = stats(pixels, above=0.25, scale=10)
    for c in range(2):
        own = pixels[:, c][pixels[:, c] > 0.25]
        assert found.counted[c] == own.size
        assert found.stored_mean.value[c] == pytest.approx(own.mean())
    assert found.to_json()["above"] == 0.25


def test_members_of_an_archive_have_masks_too(scans):
    folder, images, masks = scans
    with tarfile.open(folder / "in.tar", "w") as tar:
        tar.add(folder / "in", ".")
    found = stats(folder / "in.tar", mask=folder / "masks")
    assert found.counted == (selected(images, masks).size,)


def test_slices_have_slices_of_masks(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    volume = RNG.integers(-1000, 1000, (5, 6, 4)).astype(np.int16)
    mask = RNG.integers(0, 2, volume.shape).astype(np.uint8)
    for folder, values in (("in", volume), ("masks", mask)):
        (tmp_path / folder).mkdir()
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / folder / "a.nii.gz")
    found = stats(tmp_path / "in", mask=tmp_path / "masks", scale=1)
    own = volume[mask > 0]
    assert (found.images, found.counted) == (4, (own.size,))
    assert found.mean.value[0] == pytest.approx(own.mean(), rel=1e-14)


def test_a_mask_that_does_not_fit_skips_its_image_and_names_it(scans, capsys):
    folder = scans[0]
    (folder / "masks" / "a" / "1.png").unlink()
    Image.new("L", (3, 4)).save(folder / "masks" / "a" / "2.png")
    (folder / "masks" / "b" / "3.png").write_bytes(b"")
    assert run(["stats", str(folder / "in"), "--mask", str(folder / "masks")]) == 0
    captured = capsys.readouterr()
    assert "1 image, 60 pixels" in captured.out
    of = f"{folder}/masks"
    assert captured.err.splitlines()[:4] == [
        "3 unreadable images were skipped:",
        f"  {folder}/in/a/1.png: no mask {of}/a/1.png, nor one with another suffix",
        f"  {folder}/in/a/2.png: its mask {of}/a/2.png is of 3 x 4 pixels, not 8 x 6",
        f"  {folder}/in/b/3.jp2: its mask {of}/b/3.png cannot be read: an empty file",
    ]


def test_a_changed_mask_is_read_again(scans):
    folder, images, masks = scans
    arguments = {"mask": folder / "masks", "out": folder / "out"}
    first = stats(folder / "in", **arguments)
    assert stats(folder / "in", **arguments).to_json() == first.to_json()
    masks["4.png"] = np.ones((6, 10), np.uint8)
    Image.fromarray(masks["4.png"] * 255).save(folder / "masks" / "4.png")
    assert stats(folder / "in", **arguments).counted == (selected(images, masks).size,)


def test_what_cannot_be_masked_is_refused(scans):
    folder = scans[0]
    with pytest.raises(NormscopeError) as error:
        stats(folder / "in", mask=folder / "none")
    assert str(error.value) == (
        f"mask must be a folder of masks, got '{folder / 'none'}', which is no folder. "
        "Check the path."
    )
    for source, met in ((np.zeros((2, 4, 4)), "an object of type ndarray"), ("digits", "digits")):
        with pytest.raises(NormscopeError) as error:
            stats(source, mask=folder / "masks")
        assert str(error.value) == (
            f"mask must have images with paths, got {met}. Give folders, files or archives of "
            "images."
        )
    with pytest.raises(NormscopeError) as error:
        stats("digits", above=float("nan"))
    assert str(error.value) == "above must be a number, got nan. Give a pixel value."
