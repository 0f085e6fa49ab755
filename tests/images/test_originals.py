from __future__ import annotations

import tarfile

import numpy as np
import pytest
from PIL import Image

from normscope.errors import NormscopeError
from normscope.images.originals import find_originals, some_pixels, with_channels


def test_a_folder_with_val_has_labels(class_folders):
    found = find_originals(class_folders)
    assert found.classes == ("cats", "dogs")
    assert [image.label for image in found.images] == [0] * 4 + [1] * 4
    assert all("/val/" in image.path for image in found.images)


def test_any_other_folder_has_none(class_folders):
    found = find_originals(class_folders / "val")
    assert found.classes is None
    assert len(found.images) == 8


@pytest.mark.parametrize(("inside", "labelled"), [("photos", True), ("photos/val/cats", False)])
def test_archives(class_folders, tmp_path, inside, labelled):
    archive = tmp_path / "some.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(class_folders.parent / inside, arcname=inside.rsplit("/", 1)[-1])
    found = find_originals(archive)
    assert (found.classes is not None) == labelled
    assert len(found.images) == (8 if labelled else 4)
    assert found.images[0].read()[:4] == b"\x89PNG"


def test_some_are_spread_over_the_folder(class_folders):
    dark, *_, bright = some_pixels(find_originals(class_folders), 3)
    assert dark.mean() < 80 < 140 < bright.mean()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("absent", "absent: nothing there. Check the path."),
        (
            "file.txt",
            "file.txt: a file of another kind. Save each image as a file of its own, such as .png "
            "or .tif, in a folder.",
        ),
        ("empty", "empty must hold at least one image"),
    ],
)
def test_no_images(tmp_path, name, said):
    (tmp_path / "file.txt").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NormscopeError) as error:
        find_originals(tmp_path / name)
    assert said in str(error.value)


def test_files_of_several_images_are_to_be_saved_one_by_one(tmp_path):
    np.save(tmp_path / "stack.npy", np.zeros((5, 1, 8, 8), np.uint8))
    with pytest.raises(NormscopeError) as error:
        some_pixels(find_originals(tmp_path), 2)
    assert str(error.value).endswith(
        "stack.npy: 5 images in one file. Save each image as a file of its own, such as .png or "
        ".tif, in a folder."
    )


def test_no_readable_image(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(NormscopeError) as error:
        some_pixels(find_originals(tmp_path), 2)
    assert str(error.value) == (
        f"{tmp_path} must hold at least one image that can be used, got 1 that cannot, such as "
        f"{tmp_path}/a.png: an empty file. Convert them, or choose another folder."
    )


def test_channels(tmp_path):
    grey = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    assert (with_channels(grey, 3, "a.png") == grey).all()
    with pytest.raises(NormscopeError) as error:
        with_channels(np.zeros((3, 2, 2), np.uint8), 1, "a.png")
    assert str(error.value) == (
        "the images must have 1 channel to fit the model, got 3 in a.png. Convert the images, or "
        "check --channels."
    )
    Image.fromarray(grey[0]).save(tmp_path / "a.png")
    assert some_pixels(find_originals(tmp_path), 9)[0].shape == (1, 2, 3)
