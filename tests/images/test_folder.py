from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from normscope.errors import NormscopeError
from normscope.images.folder import open_folder
from normscope.images.held_out import hold_out


def test_train_and_val_alone_use_val_as_test(class_folders):
    source = open_folder(class_folders)
    assert source.train.pixels.shape == (16, 3, 12, 12)
    assert source.validation is None
    assert source.test.labels.tolist() == [0] * 4 + [1] * 4
    assert source.classes == ("cats", "dogs")


def test_three_splits_are_kept_apart(class_folders):
    shutil.copytree(class_folders / "val", class_folders / "test")
    (class_folders / "test" / "cats" / "0.png").unlink()
    source = open_folder(class_folders)
    assert (len(source.validation), len(source.test)) == (8, 7)


def test_pixels_are_those_of_the_files(class_folders):
    source = open_folder(class_folders)
    pixels = np.asarray(Image.open(class_folders / "train" / "dogs" / "3.png"))
    np.testing.assert_array_equal(source.train.pixels[8 + 3], pixels.transpose(2, 0, 1))


def test_grey_images_among_colour_ones_count_as_colour(class_folders):
    path = class_folders / "train" / "cats" / "0.png"
    Image.open(path).convert("L").save(path)
    first = open_folder(class_folders).train.pixels[0]
    assert first.shape == (3, 12, 12)
    np.testing.assert_array_equal(first[0], first[2])


def test_an_unreadable_image_is_skipped_and_listed(class_folders):
    path = class_folders / "train" / "cats" / "0.png"
    path.write_bytes(b"not an image")
    source = open_folder(class_folders)
    assert len(source.train) == 15
    assert [(s.path, s.reason) for s in source.skipped] == [
        (path, "not an image in a known format")
    ]


def test_a_class_left_empty_by_skipping(class_folders):
    folder = class_folders / "train" / "cats"
    for path in folder.iterdir():
        path.write_bytes(b"")
    with pytest.raises(NormscopeError) as error:
        open_folder(class_folders)
    assert str(error.value) == (
        f"{folder} must hold at least one image that can be used, got none: 0.png: an empty file. "
        "Mend or remove the class, or change --resize and --crop."
    )


@pytest.mark.parametrize("split", ["train", "test"])
def test_images_held_back_that_cannot_be_used_are_named(class_folders, split):
    folder = class_folders / "train" / "cats"
    shutil.rmtree(class_folders / "val")
    root, count = class_folders / "train", {"train": 4, "test": 2}[split]
    names = [f"{number}.png" for number in range(count)]
    for path in folder.iterdir():
        if path.name not in names:
            path.unlink()
    kept, tested = hold_out(root, {"cats": names})
    drawn = {"train": kept, "test": tested}[split]["cats"]
    for name in drawn:
        (folder / name).write_bytes(b"")
    with pytest.raises(NormscopeError) as error:
        open_folder(root)
    met = {
        "train": f"3 that cannot, the first {drawn[0]}: an empty file. Mend or remove these",
        "test": f"1 that cannot: {drawn[0]}: an empty file. Mend or remove {drawn[0]}",
    }[split]
    assert str(error.value) == (
        f"{folder} must hold at least one image that can be used among those drawn for the {split} "
        f"split, got {met}, or change --resize and --crop."
    )


def test_an_empty_class_folder(class_folders):
    folder = class_folders / "val" / "cats"
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(NormscopeError) as error:
        open_folder(class_folders)
    assert str(error.value) == (
        f"{folder} must hold at least one image (such as .jpg or .png), got none. "
        "Add images or remove the folder."
    )


def test_classes_that_differ_between_splits(class_folders):
    (class_folders / "val" / "dogs").rename(class_folders / "val" / "wolves")
    with pytest.raises(NormscopeError) as error:
        open_folder(class_folders)
    assert str(error.value) == (
        f"every split of {class_folders} must have the same classes, got 2 that differ between "
        "train and val: dogs, wolves. Give each split every class."
    )


def test_a_split_without_classes(class_folders):
    shutil.rmtree(class_folders / "val" / "dogs")
    shutil.rmtree(class_folders / "val" / "cats")
    with pytest.raises(NormscopeError) as error:
        open_folder(class_folders)
    assert str(error.value) == (
        f"{class_folders / 'val'} must hold one folder per class, got none. "
        "Put each class's images into a folder of its own."
    )


def test_a_folder_without_splits(class_folders):
    (class_folders / "val").rename(class_folders / "other")
    with pytest.raises(NormscopeError) as error:
        open_folder(class_folders)
    assert str(error.value) == (
        f"{class_folders} must hold train/ and also val/ or test/, each with one folder per class, "
        "got the folders: other, train. Sort the images into splits, or give a folder that holds "
        "class folders alone: a fifth of each class is then held back for the test."
    )


def test_class_folders_without_image_files(tmp_path):
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "0.npz", image=np.zeros((8, 8), np.uint8))
    with pytest.raises(NormscopeError) as error:
        open_folder(tmp_path)
    assert str(error.value) == (
        f"{tmp_path} must hold image files, each with one folder per class, got fewer than 2 "
        "folders with any. Passed over 2 files that are not images: .npz (2). Save each image as a "
        "file of its own, such as .png, .tif or .npy."
    )


@pytest.fixture
def without_splits(class_folders):
    """Two class folders of 8 and 10 images, and one of none."""
    for name in ("cats", "dogs"):
        (class_folders / "train" / name).rename(class_folders / name)
    for number in range(2):
        shutil.copy(class_folders / "dogs" / "0.png", class_folders / "dogs" / f"more{number}.png")
    shutil.rmtree(class_folders / "train")
    shutil.rmtree(class_folders / "val")
    (class_folders / "notes").mkdir()
    return class_folders


def test_class_folders_alone_have_a_fifth_held_back(without_splits):
    source, again = open_folder(without_splits), open_folder(without_splits)
    assert source.classes == ("cats", "dogs")
    assert np.bincount(source.test.labels).tolist() == [2, 2]
    assert np.bincount(source.train.labels).tolist() == [6, 8]
    assert source.held_out == (
        f"{without_splits} has no val/ or test/: a fifth of each class, 4 images drawn with a "
        "fixed seed, is the test split."
    )
    np.testing.assert_array_equal(source.test.pixels, again.test.pixels)
    # Every image is in exactly one split.
    for label, name in enumerate(source.classes):
        there = sorted(
            np.asarray(Image.open(p)).tobytes() for p in (without_splits / name).iterdir()
        )
        seen = [
            np.ascontiguousarray(image.transpose(1, 2, 0)).tobytes()
            for split in (source.train, source.test)
            for image in split.pixels[split.labels == label]
        ]
        assert sorted(seen) == there


def test_all_of_class_folders_alone_serve_a_frozen_network(without_splits):
    source = open_folder(without_splits, train=False)
    assert len(source.test) == 18
    assert source.held_out == f"{without_splits} has no val/ or test/: all 18 images are tested."


def test_a_class_of_a_single_image_cannot_be_split(without_splits):
    for path in sorted((without_splits / "cats").iterdir())[1:]:
        path.unlink()
    with pytest.raises(NormscopeError) as error:
        open_folder(without_splits)
    assert str(error.value) == (
        f"{without_splits / 'cats'} must hold at least 2 images, one to train on and one to test "
        "on, got 1. Add images or remove the folder."
    )


def test_images_of_several_sizes(class_folders):
    Image.new("RGB", (9, 7)).save(class_folders / "train" / "cats" / "0.png")
    with pytest.raises(NormscopeError) as error:
        open_folder(class_folders)
    assert str(error.value) == (
        f"the images of {class_folders} must share one size, got 2: 12 x 12 (23 images), "
        "9 x 7 (1 image). Give --resize, such as --resize 64x64, or --crop."
    )
