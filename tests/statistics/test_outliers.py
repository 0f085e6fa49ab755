"""Images unlike the rest: planted ones are found, for their reason, and no others are."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from normscope import stats
from normscope.cli.app import run
from normscope.errors import NormscopeError
from normscope.images.stream import open_stream
from normscope.statistics.collected import Collected
from normscope.statistics.image_traits import ImageTraits, numbers_of
from normscope.statistics.outliers import FAR, RULE
from normscope.statistics.reading import Reading
from normscope.statistics.reduce import reduce_shard


def _photo(rng, shape=(12, 11, 3)):
    tint = np.array([20, 0, -20]) if len(shape) == 3 else 0
    return (rng.normal(rng.normal(110, 8), 25, shape) + tint).clip(0, 255).astype(np.uint8)


ODD = {
    "black": (lambda image: image * 0, "black: every pixel is 0"),
    "white": (lambda image: image * 0 + 255, "constant: every pixel is 255"),
    "swapped": (
        lambda image: image[..., ::-1],
        "red and blue seem swapped: in reverse order it is like the others",
    ),
    "dim": (lambda image: image // 16, "values about 1/1"),
    "bright": (lambda image: image.clip(0, 185) + 70, "much brighter in "),
    "flat": (lambda image: (image // 8 + [105, 97, 78]).astype(np.uint8), "much less contrast in "),
    "blue": (
        lambda image: np.dstack([image[..., 0] // 3, image[..., 1], 255 - image[..., 2] // 3]),
        "blue cast: red less blue is ",
    ),
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(200):
        Image.fromarray(_photo(rng)).save(root / f"{number}.png")
    return root


@pytest.mark.parametrize("kind", ODD)
def test_a_planted_image_is_found_alone(photos, kind):
    change, reason = ODD[kind]
    path = photos / "odd.png"
    Image.fromarray(change(_photo(np.random.default_rng(1)))).save(path)
    try:
        (outlier,) = stats(photos).outliers
    finally:
        path.unlink()
    assert outlier.path == str(path)
    assert outlier.reason.startswith(reason)
    assert outlier.score is None or outlier.score > FAR


def test_alike_images_have_no_outlier(photos, capsys):
    assert stats(photos).outliers == ()
    assert run(["stats", str(photos)]) == 0
    assert "Unlike the rest" not in capsys.readouterr().out


def test_another_bit_depth_is_told():
    rng = np.random.default_rng(3)
    images = (rng.random((60, 10, 10)) * rng.normal(4000, 300, (60, 1, 1))).astype(np.uint16)
    images[7] //= 256
    images[9] *= 15
    first, second = stats(images).outliers
    assert (first.path, second.path) == ("image 9", "image 7")
    assert first.reason == "values about 16 times the others': another unit or bit depth?"
    assert second.reason == "values about 1/270 of the others': another unit or bit depth?"


def test_slices_are_named_and_empty_ones_are_usual(tmp_path):
    rng = np.random.default_rng(3)
    for number in range(6):
        volume = rng.normal(-500, 100, (10, 8, 8))
        volume[:2] = -1024
        if number == 4:
            volume[5] *= 20
        np.save(tmp_path / f"{number}.npy", volume)
    (outlier,) = stats(tmp_path, scale=1).outliers
    assert (outlier.path, outlier.frame) == (f"{tmp_path}/4.npy", 5)
    assert outlier.reason.startswith("values about 20 times the others'")


def test_the_command_lists_them_with_the_rule(tmp_path, capsys):
    rng = np.random.default_rng(3)
    for number in range(60):
        image = _photo(rng, (9, 9)) * (number > 2)
        Image.fromarray(image).save(tmp_path / f"{number:02}.png")
    for more, images in (([], 2), (["--outliers", "1"], 1), (["--outliers", "0"], 0)):
        (tmp_path / "00.png").unlink(missing_ok=True)
        assert run(["stats", str(tmp_path), *more]) == 0
        lines = capsys.readouterr().out.splitlines()
        found = [f"  {tmp_path}/{n:02}.png: black: every pixel is 0" for n in (1, 2)]
        assert [line for line in lines if "black" in line] == found[:images]
        assert (RULE in lines) == bool(images)
    with pytest.raises(NormscopeError) as error:
        stats(tmp_path, outliers=1001)
    assert str(error.value) == "outliers must be from 0 to 1000, got 1001. Give a whole number."


def test_means_far_from_0_are_not_taken_for_apart():
    kelvin = 274 + np.random.default_rng(0).normal(0, 0.3, (100, 8, 8))
    assert stats(kelvin, scale=1000).outliers == ()
    huge = np.random.default_rng(0).random((30, 5, 5)) * 1e60
    assert stats(huge, scale=1e60).outliers == ()


def test_few_images_have_none():
    images = np.random.default_rng(0).integers(0, 256, (19, 8, 8), dtype=np.uint8)
    images[3] = 0
    assert stats(images).outliers == ()


def test_grey_images_among_colour_are_judged_as_colour(photos, tmp_path):
    for path in sorted(photos.iterdir())[:60]:
        image = Image.open(path)
        number = int(path.stem)
        (image.convert("L") if number % 2 else image).save(tmp_path / path.name)
    Image.new("L", (9, 9), 7).save(tmp_path / "odd.png")
    (outlier,) = stats(tmp_path).outliers
    assert outlier.reason == "constant: every pixel is 7"


def test_masks_beside_photographs_make_no_colour_odd(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(40):
        shape = (12, 11, 3)
        photo = rng.normal(110, 25, shape) + rng.normal(0, 15, 3)
        Image.fromarray(photo.clip(0, 255).astype(np.uint8)).save(tmp_path / f"{number}.png")
        mask = (photo[..., 0] > 110).astype(np.uint8) * 255
        Image.fromarray(mask).save(tmp_path / f"{number}-mask.png")
    found = stats(tmp_path)
    assert found.outliers == ()
    assert (
        "40 of 80 images have only two values: if they are masks, leave them out with select, "
        "such as select='images/*'."
    ) in found.notes


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_images_of_two_values_are_counted(dtype):
    rng = np.random.default_rng(0)
    top = np.iinfo(dtype).max
    images = rng.integers(0, top, (60, 1, 6, 6), dtype, endpoint=True)
    images[:20] = images[:20] > top // 2
    images[20:35] = (images[20:35] > top // 2) * top
    images[35] = 0
    images[36] = top
    images[37] = 4 * (images[37] > top // 2)  # a class by its number, which is no black and white
    two = [len(np.unique(image)) == 2 and set(np.unique(image)) <= {0, 1, top} for image in images]
    notes = stats(images).notes
    assert sum(two) == 35
    assert any(note.startswith("35 of 60 images have only two values: ") for note in notes)
    assert not any("two values" in note for note in stats(images[:35]).notes)


def _slowly(images, most):
    """The positions at either end of every trait, one image at a time."""
    traits = []
    for image in images / 255:
        channels = image.reshape(3, -1)
        mean, std = channels.mean(1), channels.std(1)
        traits.append([*mean, *std, mean[0] - mean[2]])
    kept = set()
    for column in np.array(traits).T:
        order = np.argsort(column, kind="stable")
        kept |= {*order[:most].tolist(), *order[-most:].tolist()}
    return np.array(traits), kept


def test_what_is_kept_is_what_all_images_would_give():
    images = np.random.default_rng(5).integers(0, 256, (400, 3, 4, 5)).astype(np.uint8)
    traits, kept = _slowly(images, 3)
    shards = [
        reduce_shard(shard, Reading(outliers=3))
        for cut in np.split(images, [100, 130, 390])
        for shard in open_stream(cut, layout="NCHW").shards()
    ]
    for start, part in zip((0, 100, 130, 390), shards, strict=True):
        (own,) = part.traits.values()
        own.ends = [end._replace(position=end.position + start) for end in own.ends]
    for order in (shards, shards[::-1]):
        total = ImageTraits(3)
        for part in order:
            again = Collected.from_json(json.loads(json.dumps(part.to_json())))
            for own in again.traits.values():
                total.merge(own)
        assert {end.position for end in total.ends} == kept
        assert total.images == 400
        for column, counts in zip(traits.T, total.counts, strict=True):
            numbers, of = numbers_of(counts)
            expected = np.sort(column)
            np.testing.assert_allclose(np.repeat(numbers, of), expected, rtol=1 / 256, atol=1e-6)


def test_real_photographs_have_few(real_data):
    found = stats(real_data / "imagenet-sample").outliers
    assert [outlier.path.rpartition("/")[2] for outlier in found] == [
        "n10565667_scuba_diver.JPEG",
        "n07749582_lemon.JPEG",
    ]
    assert found[0].reason == ("blue cast: red less blue is -107.7, that of the median image 16.12")
