import shutil
import tarfile

import numpy as np
import pytest
from PIL import Image

from normscope.errors import NormscopeError
from normscope.images.digits import open_digits
from normscope.images.folder import open_folder
from normscope.images.opening import open_source
from normscope.images.resizing import transformed
from normscope.images.transform import ImageTransform
from normscope.statistics.moments import Moments
from normscope.statistics.stats import stats
from normscope.trials.preparation import prepare_source
from normscope.trials.recipe import LENET_ARTICLE


def test_images_smaller_than_the_crop_are_skipped(class_folders):
    path = class_folders / "train" / "cats" / "0.png"
    Image.new("RGB", (10, 30)).save(path)
    source = open_folder(class_folders, ImageTransform(crop=11))
    assert [(s.path, s.reason) for s in source.skipped] == [
        (path, "10 x 30 pixels is smaller than the crop of 11")
    ]
    assert source.train.pixels.shape == (15, 3, 11, 11)


@pytest.mark.parametrize("transform", [ImageTransform(), ImageTransform(resize=9, crop=8)])
def test_what_is_fully_transparent_counts_neither_in_stats_nor_in_a_study(class_folders, transform):
    for number, path in enumerate(sorted((class_folders / "train").rglob("*.png"))):
        pixels = np.dstack([np.asarray(Image.open(path)), np.full((12, 12), 128, np.uint8)])
        pixels[: 3 + number % 4, :, 3] = 0
        Image.fromarray(pixels).save(path)
    found = stats(
        class_folders / "train", split="all", resize=transform.resize, crop=transform.crop
    )
    data = prepare_source(str(class_folders), None, LENET_ARTICLE, None, transform).data
    assert data.mean == pytest.approx(found.mean.value, rel=1e-12)
    assert data.std == pytest.approx(found.std.value, rel=1e-12)


def test_a_colour_image_after_grey_ones(class_folders):
    for path in sorted(class_folders.rglob("cats/*.png")):
        Image.open(path).convert("L").save(path)
    source = open_folder(class_folders)
    assert source.channels == 3
    grey = np.asarray(Image.open(class_folders / "train" / "cats" / "3.png"))
    np.testing.assert_array_equal(source.train.pixels[3], np.stack([grey] * 3))
    assert source.train.stored.histogram.shape == (3, 256)


def test_a_grey_source_stays_grey_unless_asked(class_folders):
    for path in class_folders.rglob("*.png"):
        Image.open(path).convert("L").save(path)
    assert open_folder(class_folders).channels == 1
    assert open_folder(class_folders, ImageTransform(channels="rgb")).channels == 3


@pytest.mark.parametrize("layout", ["one archive", "an archive a split"])
def test_archives_hold_what_folders_hold(class_folders, tmp_path, layout):
    expected = open_folder(class_folders)
    if layout == "one archive":
        place = tmp_path / "photos.tar"
        with tarfile.open(place, "w") as tar:
            tar.add(class_folders, "photos")
    else:
        place = tmp_path / "archives"
        place.mkdir()
        for split in ("train", "val"):
            with tarfile.open(place / f"{split}.tar", "w") as tar:
                tar.add(class_folders / split, split)
    source = open_source(str(place))
    assert source.fingerprint() == expected.fingerprint()
    assert source.classes == ("cats", "dogs")


def test_a_link_in_an_archive_is_skipped(class_folders, tmp_path):
    (class_folders / "train" / "cats" / "link.png").symlink_to("0.png")
    with tarfile.open(tmp_path / "p.tar", "w") as tar:
        tar.add(class_folders, ".")
    source = open_source(str(tmp_path / "p.tar"))
    assert [s.reason for s in source.skipped] == ["a link inside an archive"]


def test_an_archive_without_splits(class_folders, tmp_path):
    with tarfile.open(tmp_path / "p.tar", "w") as tar:
        tar.add(class_folders / "train", "images")
    with pytest.raises(NormscopeError) as met:
        open_source(str(tmp_path / "p.tar"))
    assert str(met.value) == (
        f"{tmp_path / 'p.tar'} must hold train/ and also val/ or test/, each with one folder per "
        "class, got the folders: none of these in the archive. Sort the images into splits, or "
        "give a folder that holds class folders alone: a fifth of each class is then held back "
        "for the test."
    )


def test_val_alone_serves_a_frozen_network(class_folders):
    shutil.rmtree(class_folders / "train")
    source = open_folder(class_folders, train=False)
    assert (len(source.train), len(source.test)) == (0, 8)
    assert source.image_size == (12, 12)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"resize": 0}, "--resize must be at least 1 pixel, got 0. Give a larger number."),
        (
            {"resize": 9 * 10**9},
            "--resize must be at most 14142 pixels, got 9000000000. Give a smaller number.",
        ),
        (
            {"resize": "8x14143"},
            "--resize must be at most 14142 pixels, got 8x14143. Give a smaller number.",
        ),
        ({"crop": 14143}, "--crop must be at most 14142 pixels, got 14143. Give a smaller number."),
        (
            {"resize": 8, "crop": 9},
            "--crop must be no larger than --resize, got 9 and 8. Resize to more pixels, or crop "
            "to fewer.",
        ),
        (
            {"channels": "cmyk"},
            "--channels must be rgb or grey, got 'cmyk'. Choose one of these.",
        ),
    ],
)
def test_transforms_out_of_range(options, sentence):
    with pytest.raises(NormscopeError) as met:
        ImageTransform(**options)
    assert str(met.value) == sentence


def test_a_named_source_is_transformed_in_memory():
    digits = open_digits()
    assert transformed(digits, ImageTransform()) is digits
    larger = transformed(digits, ImageTransform(resize=16, crop=12, channels="rgb"))
    assert larger.test.pixels.shape == (len(digits.test), 3, 12, 12)
    np.testing.assert_array_equal(larger.test.labels, digits.test.labels)


def test_grey_is_the_same_for_trials_and_statistics(class_folders, digits):
    """As Pillow has it, to the last bit."""
    grey = open_folder(class_folders, ImageTransform(channels="grey"))
    assert grey.channels == 1
    first = next(iter(sorted((class_folders / "val" / "cats").iterdir())))
    np.testing.assert_array_equal(grey.test.pixels[0, 0], Image.open(first).convert("L"))
    of_trials = Moments.of(grey.test.pixels)
    of_statistics = stats(class_folders, split="val", channels="grey")
    assert of_trials.mean(255) == of_statistics.mean.value
    assert of_trials.std(255) == of_statistics.std.value
    colour = open_folder(class_folders)
    np.testing.assert_array_equal(
        transformed(colour, ImageTransform(channels="grey")).test.pixels, grey.test.pixels
    )
    assert transformed(digits, ImageTransform(channels="grey")).channels == 1
