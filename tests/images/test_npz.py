"""NumPy's archives of several arrays, against NumPy over one of them."""

from __future__ import annotations

import numpy as np
import pytest

from normscope import stats
from tests.images.damaged import refusal, survives
from tests.images.exactness import exact

RANDOM = np.random.default_rng(0)
BYTES = RANDOM.integers(0, 256, (30, 3, 9, 8), dtype=np.uint8)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_one_of_several_must_be_named(tmp_path, save):
    path = tmp_path / "a.npz"
    save(path, images=BYTES, masks=BYTES[:, 0] > 9, names=np.array(["a", None], object))
    assert refusal(path) == (
        f"{path} must be asked for one of its arrays, got 2 that could be images: "
        "images (30 x 3 x 9 x 8, uint8) and masks (30 x 9 x 8, bool). "
        f"Name one, as in {path}::images, or a group of them."
    )
    exact(stats(f"{path}::images"), BYTES, 1)
    assert stats(f"{path}::masks", scale=1).mean.value == ((BYTES[:, 0] > 9).mean(),)
    assert refusal(f"{path}::image") == (
        f"the part of {path} must be one of images, masks, names, got 'image'. "
        "Did you mean 'images'?"
    )
    assert refusal(f"{path}::names") == (
        f"{path}::names must hold integers or floats, got object. Ask for another array."
    )


@pytest.mark.parametrize(
    ("split", "start", "stop"), [(None, 0, 20), ("train", 0, 20), ("val", 20, 24), ("test", 24, 30)]
)
def test_the_splits_of_medmnist(tmp_path, split, start, stop):
    path = tmp_path / "pathmnist.npz"
    images = BYTES.transpose(0, 2, 3, 1)
    np.savez_compressed(
        path,
        train_images=images[:20], val_images=images[20:24], test_images=images[24:],
        train_labels=np.zeros((20, 1)), val_labels=np.zeros((4, 1)), test_labels=np.zeros((6, 1)),
    )  # fmt: skip
    found = stats(path, split=split)
    exact(found, BYTES[start:stop], 1)
    name = f"{split or 'train'}_images"
    assert found.notes[0] == (
        f"Of {path} these arrays are taken by the split: "
        f"{name} ({stop - start} x 9 x 8 x 3, uint8)."
    )
    assert stats(path, split="all").images == 30
    assert refusal(f"{path}::val_images", split="val") == (
        f"{path}::val_images must hold splits for split='val', got one array or group. "
        "Leave out split, or pass all."
    )


def test_an_array_is_mapped_and_what_is_asked_for_alone_is_read(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, bad=BYTES[:, :2], good=np.asfortranarray(BYTES))
    exact(stats(f"{path}::good"), BYTES, 1)
    once = stats(f"{path}::good", out=tmp_path / "out")
    assert stats(f"{path}::good", out=tmp_path / "out").to_json() == once.to_json()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damage_leads_to_no_other_exception(tmp_path, save):
    save(tmp_path / "a.npz", images=BYTES[:3], labels=np.arange(3))
    assert sum(survives(tmp_path / "a.npz", rounds=60)) == 60
